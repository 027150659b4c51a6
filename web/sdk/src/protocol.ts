// The messages of `conclave.v1` as types. docs/protocol.md is the law; docs/protocol.schema.json checks it.
// SPDX-License-Identifier: Apache-2.0

export const SUBPROTOCOL = 'conclave.v1';

export type Source = 'microphone' | 'camera' | 'screen' | 'screen-audio';
export type MediaKind = 'audio' | 'video';
export type Role = 'moderator' | 'member';
export type MutedBy = null | 'self' | 'moderator';

export const SOURCES: readonly Source[] = ['microphone', 'camera', 'screen', 'screen-audio'];
export const kindOf = (source: Source): MediaKind => (source === 'camera' || source === 'screen' ? 'video' : 'audio');

export interface WireTrack {
  source: Source;
  muted: boolean;
  muted_by?: MutedBy;
  width?: number;
  height?: number;
}

export interface WireParticipant {
  id: string;
  name: string;
  kind: 'guest' | 'user';
  role: Role;
  hand: boolean;
  connected: boolean;
  tracks: WireTrack[];
}

export interface WireSlot {
  mid: string;
  kind: MediaKind;
  participant: string | null;
  source?: Source;
}

export interface WireChat {
  id: string;
  from: string;
  name: string;
  text: string;
  /** ms since 1970 */
  time: number;
  /** only if private */
  to?: string;
}

export interface ViewEntry {
  participant: string;
  source: 'camera' | 'screen';
  /** device pixels */
  width: number;
  height: number;
}

/** Requests by operation, without `op` and `id`. */
export interface Requests {
  join: { token: string; room: string; name?: string; sdp: string; sources: Record<string, Source> };
  resume: { resume: string; seq: number };
  publish: { source: Source; muted: boolean; width?: number; height?: number };
  unpublish: { source: Source };
  mute: { source: Source; muted: boolean; participant?: string };
  view: { video: ViewEntry[] };
  chat: { text: string; to?: string };
  hand: { raised: boolean; participant?: string };
  remove: { participant: string };
  offer: { sdp: string; sources: Record<string, Source> };
  ping: Record<never, never>;
  leave: Record<never, never>;
}

export interface Snapshot {
  id: number;
  participant: string;
  room: string;
  seq: number;
  resume: string;
  resume_window_ms: number;
  signald?: string;
  node?: string;
  role: Role;
  participants: WireParticipant[];
  slots: WireSlot[];
  chat?: WireChat[];
  /** What `quality` and `speakers` have last told. */
  scores?: QualityScore[];
  dominant?: string | null;
}

export interface Joined extends Snapshot {
  op: 'joined';
  sdp: string;
}

export interface Resumed extends Snapshot {
  op: 'resumed';
}

export interface Answer {
  op: 'answer';
  id: number;
  sdp: string;
  slots: WireSlot[];
}

export interface Replies {
  join: Joined;
  resume: Resumed;
  offer: Answer;
  ping: { op: 'pong'; id: number };
  publish: Ok;
  unpublish: Ok;
  mute: Ok;
  view: Ok;
  chat: Ok;
  hand: Ok;
  remove: Ok;
  leave: Ok;
}

export interface Ok {
  op: 'ok';
  id: number;
}

export interface WireError {
  op: 'error';
  id?: number;
  error: string;
  message: string;
  retry_after_ms?: number;
}

export type LeftReason = 'left' | 'lost' | 'removed';
export type ClosingReason = 'removed' | 'replaced' | 'draining' | 'media-lost' | 'error-limit';

export interface Speaker {
  participant: string;
  /** −dBov: 0 is the loudest, 127 silence */
  level: number;
}

/** 0 no connection, 1 bad … 5 good, as the server measured it. */
export interface QualityScore {
  participant: string;
  score: number;
}

export type ServerEvent =
  | { op: 'participant-joined'; seq: number; participant: WireParticipant }
  | { op: 'participant-updated'; seq: number; participant: WireParticipant }
  | { op: 'participant-left'; seq: number; participant: string; reason: LeftReason }
  | { op: 'room-state'; seq: number; participants: WireParticipant[] }
  | { op: 'slots'; slots: WireSlot[] }
  | ({ op: 'chat' } & WireChat)
  | { op: 'speakers'; speakers: Speaker[]; dominant?: string | null }
  | { op: 'layers'; source: 'camera' | 'screen'; max: number }
  | { op: 'quality'; scores: QualityScore[] }
  | { op: 'media'; state: 'connected' | 'disconnected' | 'failed' }
  | { op: 'closing'; reason: ClosingReason; message?: string };

export type ServerMessage = ServerEvent | WireError | Replies[keyof Replies];

/** WebSocket close codes that mean more than "the connection broke". */
export const CloseCode = {
  left: 1000,
  tokenRefused: 4401,
  removed: 4403,
  noJoin: 4408,
  resumedElsewhere: 4409,
  resumeWindowOver: 4410,
  /** Messages, or connections from one address. */
  tooMany: 4429,
} as const;
