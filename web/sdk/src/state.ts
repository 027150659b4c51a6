// What a room looks like: participants, slots, speakers, chat. Pure: messages in, new values and changes out.
// SPDX-License-Identifier: Apache-2.0
import type { LeftReason, MutedBy, Role, ServerEvent, Snapshot, Source, Speaker, WireChat, WireParticipant, WireSlot } from './protocol.js';

/** One published source of a participant. Replaced, never changed: compare by identity. */
export interface Track {
  readonly source: Source;
  readonly muted: boolean;
  readonly mutedBy: MutedBy;
  readonly width: number | null;
  readonly height: number | null;
  /** The media: the local track of oneself, the slot's track of others while the source is in a slot, else null. */
  readonly mediaStreamTrack: MediaStreamTrack | null;
}

/** A person in the room. Replaced, never changed: compare by identity. */
export interface Participant {
  readonly id: string;
  readonly name: string;
  readonly kind: 'guest' | 'user';
  readonly role: Role;
  readonly hand: boolean;
  /** False while their socket is broken and may be resumed. */
  readonly connected: boolean;
  readonly isLocal: boolean;
  readonly tracks: Readonly<Partial<Record<Source, Track>>>;
}

export type ChatMessage = WireChat;

export type Change =
  | { type: 'joined'; participant: Participant }
  | { type: 'updated'; participant: Participant; previous: Participant }
  | { type: 'left'; participant: Participant; reason: LeftReason }
  | { type: 'attached'; participant: Participant; source: Source; track: MediaStreamTrack; mid: string }
  | { type: 'detached'; participant: string; source: Source; mid: string }
  | { type: 'chat'; message: ChatMessage };

/** Finds the media of a participant's source: in a slot, or one's own. */
export type TrackFinder = (participant: string, source: Source, mid: string | null) => MediaStreamTrack | null;

const CHAT_KEPT = 500;

/** `null` participant in a slot means that nothing flows there. */
export function slotOf(slots: readonly WireSlot[], participant: string, source: Source): WireSlot | undefined {
  return slots.find((slot) => slot.participant === participant && slot.source === source);
}

export class RoomState {
  selfId = '';
  role: Role = 'member';
  seq = 0;
  slots: readonly WireSlot[] = [];
  speakers: readonly Speaker[] = [];
  dominant: string | null = null;
  chat: readonly ChatMessage[] = [];
  /** In the order of joining. */
  participants: ReadonlyMap<string, Participant> = new Map();

  constructor(private readonly findTrack: TrackFinder) {}

  /** `joined`, `resumed`: the whole truth. `fresh`: a new participant id, so what was ours before is gone. */
  load(snapshot: Snapshot): Change[] {
    this.selfId = snapshot.participant;
    this.role = snapshot.role;
    this.seq = snapshot.seq;
    const changes = this.#replaceAll(snapshot.participants, snapshot.slots);
    for (const message of snapshot.chat ?? []) this.#addChat(message, changes);
    // Null may be a signald that is new to the room: what is known stays, unless they have left.
    this.dominant = snapshot.dominant ?? this.dominant;
    return changes;
  }

  apply(event: ServerEvent): Change[] {
    if ('seq' in event) this.seq = event.seq;
    const changes: Change[] = [];
    switch (event.op) {
      case 'participant-joined':
      case 'participant-updated':
        this.#put(event.participant, changes);
        return changes;
      case 'participant-left':
        this.#remove(event.participant, event.reason, changes);
        return changes;
      case 'room-state':
        return this.#replaceAll(event.participants, this.slots);
      case 'slots':
        return this.#setSlots(event.slots);
      case 'chat': {
        const { op: _op, ...message } = event;
        this.#addChat(message, changes);
        return changes;
      }
      case 'speakers':
        this.speakers = event.speakers;
        this.dominant = event.dominant ?? null;
        return changes;
      default:
        return changes;
    }
  }

  /** Looks up one's own media again after a local track came or went. */
  refreshSelf(): Change[] {
    const self = this.participants.get(this.selfId);
    if (!self) return [];
    const tracks: Partial<Record<Source, Track>> = {};
    for (const track of Object.values(self.tracks)) {
      tracks[track.source] = { ...track, mediaStreamTrack: this.findTrack(self.id, track.source, null) };
    }
    return this.#replace({ ...self, tracks });
  }

  #replaceAll(list: readonly WireParticipant[], slots: readonly WireSlot[]): Change[] {
    const changes: Change[] = [];
    const present = new Set(list.map((p) => p.id));
    for (const id of [...this.participants.keys()]) if (!present.has(id)) this.#remove(id, 'left', changes);
    const before = this.slots;
    this.slots = slots;
    for (const wire of list) this.#put(wire, changes);
    this.participants = new Map(list.map((p) => [p.id, this.participants.get(p.id)!]));
    this.#diffSlots(before, changes);
    return changes;
  }

  #setSlots(slots: readonly WireSlot[]): Change[] {
    const before = this.slots;
    const changes: Change[] = [];
    this.slots = slots;
    const touched = new Set<string>();
    for (const slot of [...before, ...slots]) if (slot.participant) touched.add(slot.participant);
    for (const id of touched) {
      const participant = this.participants.get(id);
      if (participant) changes.push(...this.#replace(this.#withMedia(participant)));
    }
    this.#diffSlots(before, changes);
    return changes;
  }

  #diffSlots(before: readonly WireSlot[], changes: Change[]): void {
    const same = (a: WireSlot | undefined, b: WireSlot) => a?.mid === b.mid;
    for (const old of before) {
      if (!old.participant || !old.source) continue;
      if (!same(slotOf(this.slots, old.participant, old.source), old)) {
        changes.push({ type: 'detached', participant: old.participant, source: old.source, mid: old.mid });
      }
    }
    for (const slot of this.slots) {
      if (!slot.participant || !slot.source || same(slotOf(before, slot.participant, slot.source), slot)) continue;
      const participant = this.participants.get(slot.participant);
      const track = this.findTrack(slot.participant, slot.source, slot.mid);
      if (participant && track) changes.push({ type: 'attached', participant, source: slot.source, track, mid: slot.mid });
    }
  }

  #put(wire: WireParticipant, changes: Change[]): void {
    const next = this.#fromWire(wire);
    const previous = this.participants.get(wire.id);
    this.#store(next);
    if (previous) changes.push({ type: 'updated', participant: next, previous });
    else changes.push({ type: 'joined', participant: next });
    if (wire.id === this.selfId) this.role = wire.role;
  }

  #remove(id: string, reason: LeftReason, changes: Change[]): void {
    const participant = this.participants.get(id);
    if (!participant) return;
    const map = new Map(this.participants);
    map.delete(id);
    this.participants = map;
    this.speakers = this.speakers.filter((s) => s.participant !== id);
    if (this.dominant === id) this.dominant = null;
    changes.push({ type: 'left', participant, reason });
  }

  #replace(next: Participant): Change[] {
    const previous = this.participants.get(next.id);
    if (!previous) return [];
    this.#store(next);
    return [{ type: 'updated', participant: next, previous }];
  }

  #store(participant: Participant): void {
    this.participants = new Map(this.participants).set(participant.id, participant);
  }

  #fromWire(wire: WireParticipant): Participant {
    const isLocal = wire.id === this.selfId;
    const tracks: Partial<Record<Source, Track>> = {};
    for (const t of wire.tracks) {
      tracks[t.source] = {
        source: t.source,
        muted: t.muted,
        mutedBy: t.muted_by ?? null,
        width: t.width ?? null,
        height: t.height ?? null,
        mediaStreamTrack: this.#media(wire.id, t.source),
      };
    }
    return { id: wire.id, name: wire.name, kind: wire.kind, role: wire.role, hand: wire.hand, connected: wire.connected, isLocal, tracks };
  }

  #withMedia(participant: Participant): Participant {
    const tracks: Partial<Record<Source, Track>> = {};
    for (const t of Object.values(participant.tracks)) {
      tracks[t.source] = { ...t, mediaStreamTrack: this.#media(participant.id, t.source) };
    }
    return { ...participant, tracks };
  }

  #media(id: string, source: Source): MediaStreamTrack | null {
    if (id === this.selfId) return this.findTrack(id, source, null);
    const slot = slotOf(this.slots, id, source);
    return slot ? this.findTrack(id, source, slot.mid) : null;
  }

  #addChat(message: ChatMessage, changes: Change[]): void {
    if (this.chat.some((m) => m.id === message.id)) return;
    this.chat = [...this.chat, message].slice(-CHAT_KEPT);
    changes.push({ type: 'chat', message });
  }
}
