// How a room is reached, and the words for whether it is. SPDX-License-Identifier: Apache-2.0
import type { ConnectorOptions } from './connector.js';
import type { RestartOptions } from './ice-restart.js';
import type { MediaWatchOptions } from './media-watch.js';
import type { PeerOptions } from './peer.js';
import type { SignalingOptions } from './signaling.js';

export type RoomConnection = 'new' | 'connecting' | 'connected' | 'reconnecting' | 'closed';

/** Called for each join. `refresh` is true when the server refused the last token. */
export type TokenProvider = (options: { refresh: boolean }) => string | Promise<string>;

export interface ConnectionOptions {
  room: string;
  /** Default: the name in the token. */
  name?: string;
  token: string | TokenProvider;
  /** ws(s):// address of signald, such as wss://meet.example.org/ws. */
  url: string;
  peer?: PeerOptions;
  /** Called for each join, for STUN and TURN. Failures are ignored: the server has public candidates. */
  iceServers?: () => Promise<RTCIceServer[]>;
  signaling?: SignalingOptions;
  connector?: ConnectorOptions;
  /** When a media path counts as dead. */
  mediaWatch?: MediaWatchOptions;
  /** When ICE is restarted. */
  iceRestart?: RestartOptions;
  /** How long `join()` tries again when the server cannot take us, in ms. Default 15000. */
  joinPatienceMs?: number;
}
