// A meeting: the façade of the SDK. Keeps state, local media and server in step, over whatever connection there is.
// SPDX-License-Identifier: Apache-2.0
import { isText, want, wantSource, wantText } from './arguments.js';
import { Attachments, type VideoSource } from './attachments.js';
import { AudioOutput } from './audio-output.js';
import type { ConnectionOptions, RoomConnection } from './connection-options.js';
import { Connection } from './connection.js';
import type { DataFailure, DataMessage, DataOptions } from './data.js';
import { Emitter } from './emitter.js';
import { codeOf, ConclaveError } from './errors.js';
import { Intents } from './intents.js';
import { TOP_LAYER } from './layers.js';
import { LocalMedia } from './local-media.js';
import type { Peer } from './peer.js';
import { SOURCES, type LeftReason, type QualityScore, type ServerEvent, type Snapshot, type Source, type Speaker, type ViewEntry, type WireSlot } from './protocol.js';
import { barsOf, barsOfScore, lossBetween, type Bars } from './quality.js';
import type { Signaling } from './signaling.js';
import { RoomState, type Change, type ChatMessage, type Participant } from './state.js';
import { inboundByMid, outboundBySource, remoteLoss, reportsOf, SlotBaselines, transportOf, type InboundStats, type RoomStats } from './stats.js';
import { Timeline, type JoinTimeline } from './timeline.js';
import { ViewDebouncer } from './view.js';

export interface RoomOptions extends ConnectionOptions {
  /** Microphone, camera and screen; bring those of the lobby. Default: a new, silent one. */
  media?: LocalMedia;
  /** Play remote audio. Default true. */
  playAudio?: boolean;
  /** Between quality samples, in ms; 0 turns them off. Default 2000. */
  qualityIntervalMs?: number;
}

export interface Quality {
  /** Of one's own connection: the worse of what we and the server see. */
  own: Bars;
  /** By participant: the worse of what we receive of them and of their own connection as the server sees it. */
  participants: ReadonlyMap<string, Bars>;
  /** seconds */
  rtt: number | null;
  /** 0..1 of what the server received from us */
  loss: number | null;
}

export interface RoomEvents {
  /** Anything below happened. For stores that re-read everything. */
  changed: [];
  connection: [RoomConnection];
  /** Joining or reconnecting failed and is tried again: why. */
  retrying: [ConclaveError];
  'participant-joined': [Participant];
  'participant-updated': [Participant, Participant];
  'participant-left': [Participant, LeftReason];
  'track-attached': [{ participant: Participant; source: Source; track: MediaStreamTrack; mid: string }];
  'track-detached': [{ participant: string; source: Source; mid: string }];
  slots: [readonly WireSlot[]];
  chat: [ChatMessage];
  /** Somebody sent application data, see `room.data`. */
  data: [DataMessage];
  /** Data that one sent was refused, or a channel was closed. */
  'data-failed': [DataFailure];
  speakers: [readonly Speaker[]];
  quality: [Quality];
  /** A moderator silenced one's own source. */
  'muted-by-moderator': [Source];
  /** Connected again; `rejoined` when it took a new participant and a new RTCPeerConnection. */
  reconnected: [{ rejoined: boolean }];
  /** The browser wants a click before it plays sound: call `startAudio()` from one. */
  'audio-blocked': [boolean];
  /** For good: `left`, `removed`, `replaced`, or the error that could not be overcome. */
  closed: [{ reason: string; message: string }];
  /** Something that was done in the background failed for good. */
  error: [ConclaveError];
}

const NO_QUALITY: Quality = { own: 4, participants: new Map(), rtt: null, loss: null };

export class Room extends Emitter<RoomEvents> {
  readonly media: LocalMedia;
  /** Application data, between participants by way of the media node: arrives as `data`, or comes back as `data-failed`. */
  readonly data = {
    /** Not repeated after a reconnect. Throws `too-large`, `bad-request`, `rate-limited`, `disconnected`. */
    send: (topic: string, data: string | ArrayBuffer | ArrayBufferView, options?: DataOptions): void => {
      const { peer } = this.#link;
      if (!peer || this.connection === 'closed') throw new ConclaveError('disconnected', 'There is no connection.');
      peer.data.send(topic, data, options);
    },
  };
  readonly #options: RoomOptions;
  readonly #state: RoomState;
  readonly #intents: Intents;
  readonly #view: ViewDebouncer;
  readonly #attachments: Attachments;
  /** `setView` was called: the attached elements are no longer asked. */
  #viewIsGiven = false;
  readonly #audio: AudioOutput;
  readonly #timeline = new Timeline();
  readonly #baselines = new SlotBaselines();
  readonly #link: Connection;
  #hand = false;
  /** What the server knows of our sources. */
  #told = new Map<Source, { muted: boolean; width: number | null; height: number | null }>();
  #quality: Quality = NO_QUALITY;
  /** What the statistics of this browser say. */
  #measured: Quality = NO_QUALITY;
  /** What the server says, by participant. */
  #scores: ReadonlyMap<string, Bars> = new Map();
  #lastInbound = new Map<string, InboundStats & { at: number; owner: string }>();
  #timers: ReturnType<typeof setInterval>[] = [];
  #disposers: (() => void)[] = [];

  constructor(options: RoomOptions) {
    super();
    wantText(options?.room, 'The name of a room');
    wantText(options.url, 'The url of a room');
    this.#options = options;
    this.media = options.media ?? new LocalMedia();
    this.#state = new RoomState((id, source, mid) => this.#findTrack(id, source, mid));
    this.#intents = new Intents(options.connector?.backoff);
    this.#view = new ViewDebouncer(() => this.#background(this.#intents.set('view', () => this.#sendView())));
    this.#attachments = new Attachments({
      participant: (id) => this.#state.participants.get(id),
      view: (entries) => {
        if (!this.#viewIsGiven && this.connection !== 'closed') this.#view.set(entries);
      },
    });
    this.#audio = new AudioOutput((blocked) => {
      this.emit('audio-blocked', blocked);
      this.emit('changed');
    });
    this.#link = this.#newLink();
  }

  // ---- what is --------------------------------------------------------------------------------------------------

  get name(): string {
    return this.#options.room;
  }
  get connection(): RoomConnection {
    return this.#link.state;
  }
  /** `reconnecting` because nothing arrives from the media node, whether or not the signaling works. */
  get mediaLost(): boolean {
    return this.#link.mediaLost;
  }
  /** In the order of joining, oneself included. */
  get participants(): ReadonlyMap<string, Participant> {
    return this.#state.participants;
  }
  get self(): Participant | null {
    return this.#state.participants.get(this.#state.selfId) ?? null;
  }
  get slots(): readonly WireSlot[] {
    return this.#state.slots;
  }
  get videoSlots(): number {
    return this.#options.peer?.videoSlots ?? 9;
  }
  get speakers(): readonly Speaker[] {
    return this.#state.speakers;
  }
  /** Whose turn it is: the participant worth a large picture, perhaps oneself. Stays when they fall silent; null before anybody spoke for a second. */
  get dominant(): string | null {
    return this.#state.dominant;
  }
  get chat(): readonly ChatMessage[] {
    return this.#state.chat;
  }
  get quality(): Quality {
    return this.#quality;
  }
  get timeline(): JoinTimeline {
    return this.#timeline.steps;
  }
  get audioBlocked(): boolean {
    return this.#audio.blocked;
  }
  get signald(): string | null {
    return this.#link.signald;
  }
  get closeInfo(): { reason: string; message: string } | null {
    return this.#link.closeInfo;
  }
  /** For debugging; may be replaced by a rejoin. */
  get peerConnection(): RTCPeerConnection | null {
    return this.#link.peer?.pc ?? null;
  }

  // ---- coming and going -----------------------------------------------------------------------------------------

  /** Joins; resolves when the server has answered and media is being connected. `clickedAt` is for the timeline. */
  async join(clickedAt?: number): Promise<void> {
    if (this.connection !== 'new') throw new ConclaveError('already-joined', 'This room was joined before: make a new one.');
    this.#timeline.begin(clickedAt);
    this.#listen();
    await this.#link.open();
  }

  /** Leaves and stops everything but the local media, which belong to the caller (`room.media.stop()`). */
  leave(): Promise<void> {
    return this.#link.leave();
  }

  // ---- oneself --------------------------------------------------------------------------------------------------

  /** Microphone or camera. Unmuting may ask for the device; a muted camera is off, with its light. */
  async setMuted(source: 'microphone' | 'camera', muted: boolean): Promise<void> {
    await this.media.setMuted(source, muted);
  }

  /** Publishes any track as `source`, without renegotiation. */
  publish(source: Source, track: MediaStreamTrack): void {
    this.media.publish(source, track);
  }

  unpublish(source: Source): void {
    this.media.unpublish(source);
  }

  async startScreen(): Promise<void> {
    await this.media.startScreen();
  }

  stopScreen(): void {
    this.media.stopScreen();
  }

  setHand(raised: boolean): Promise<void> {
    this.#hand = raised;
    return this.#intents.set('hand', async () => {
      await this.#request('hand', { raised: this.#hand });
    });
  }

  /**
   * Shows a participant's camera or screen in `element` while it has one, oneself included, and asks the server for it in the
   * size of the element as long as that is on the screen. Returns what ends it; so does the participant's leaving.
   */
  attach(element: HTMLVideoElement, participant: string | Participant, source: VideoSource = 'camera'): () => void {
    want(typeof element?.getBoundingClientRect === 'function', 'An element to attach is a <video>.');
    want(source === 'camera' || source === 'screen', 'What an element shows is a camera or a screen.');
    const id = isText(participant) ? participant : participant?.id;
    wantText(id, 'A participant’s id');
    if (this.connection === 'closed') return () => undefined;
    return this.#attachments.add(element, id, source);
  }

  /**
   * What to see, most important first, in device pixels, in place of what attached elements ask for. It stands until the next
   * call: who joins later is not in it. Debounced; the server moves slots only where needed.
   */
  setView(entries: readonly ViewEntry[]): void {
    want(Array.isArray(entries), 'A view is a list of { participant, source, width, height }.');
    for (const entry of entries) {
      wantText(entry?.participant, 'The participant of a view');
      wantSource(entry.source);
    }
    this.#viewIsGiven = true;
    if (this.connection !== 'closed') this.#view.set(entries);
  }

  // ---- others ---------------------------------------------------------------------------------------------------

  /** Not repeated by itself: on `unavailable` or `disconnected` the text is not sent, and the error says so. */
  async sendChat(text: string, to?: string): Promise<void> {
    wantText(text, 'A chat message');
    if (to !== undefined) wantText(to, 'The participant to write to');
    await this.#request('chat', to ? { text, to } : { text });
  }

  /** Moderators only. */
  async muteParticipant(participant: string, source: Source): Promise<void> {
    wantText(participant, 'A participant’s id');
    wantSource(source);
    await this.#request('mute', { participant, source, muted: true });
  }

  async lowerHand(participant: string): Promise<void> {
    wantText(participant, 'A participant’s id');
    await this.#request('hand', { participant, raised: false });
  }

  async removeParticipant(participant: string): Promise<void> {
    wantText(participant, 'A participant’s id');
    await this.#request('remove', { participant });
  }

  /** WebSocket round trip in ms. */
  async ping(): Promise<number> {
    const start = performance.now();
    await this.#request('ping', {});
    return performance.now() - start;
  }

  startAudio(): Promise<void> {
    return this.#audio.play();
  }

  async selectSpeaker(deviceId: string): Promise<void> {
    wantText(deviceId, 'The id of a device');
    return this.#audio.select(deviceId);
  }

  /** Tell it when a remote frame was painted: sharper than the statistics, for the join timeline. */
  noteFirstFrame(): void {
    if (this.#timeline.mark('firstFrame')) this.emit('changed');
  }

  async stats(): Promise<RoomStats> {
    const { peer } = this.#link;
    const reports = peer ? reportsOf(await peer.pc.getStats()) : new Map();
    const inbound = inboundByMid(reports);
    const participants: RoomStats['participants'] = {};
    for (const p of this.participants.values()) if (!p.isLocal) participants[p.id] = { name: p.name, tracks: {} };
    for (const slot of this.slots) {
      const stats = inbound.get(slot.mid);
      const owner = slot.participant ? participants[slot.participant] : undefined;
      if (stats && owner && slot.source) owner.tracks[slot.source] = this.#baselines.relative(stats);
    }
    return {
      ...this.#link.counts,
      timeline: this.timeline,
      signalingRtt: this.#link.rtt,
      signald: this.#link.signald,
      node: this.#link.node,
      transport: transportOf(reports, peer?.pc.iceConnectionState ?? 'closed'),
      participants,
      sent: outboundBySource(reports, (mid) => peer?.sourceOfMid(mid) ?? null),
    };
  }

  // ---- the connection -------------------------------------------------------------------------------------------

  #newLink(): Connection {
    const host = {
      seq: () => this.#state.seq,
      isBusy: () => this.#isBusy(),
      adopt: (peer: Peer) => this.#adopt(peer),
      load: (snapshot: Snapshot, resumed: boolean) => this.#load(snapshot, resumed),
      handle: (event: ServerEvent) => this.#handle(event),
      mediaUp: (peer: Peer) => this.#watchFirstFrame(peer),
      online: (repeatAll: boolean) => this.#online(repeatAll),
      offline: () => this.#intents.goOffline(),
      stop: () => this.#stop(),
    };
    const link = new Connection(this.#options, host, this.#timeline);
    link.on('changed', () => this.emit('changed'));
    link.on('state', (state) => this.emit('connection', state));
    link.on('retrying', (error) => this.emit('retrying', error));
    link.on('reconnected', (how) => this.emit('reconnected', how));
    link.on('closed', (why) => this.emit('closed', why));
    link.on('error', (error) => this.emit('error', error));
    return link;
  }

  #adopt(peer: Peer): void {
    this.#told.clear();
    this.#scores = new Map();
    this.#baselines.clear();
    peer.on('data', (message) => this.emit('data', message));
    peer.on('data-failed', (failure) => this.emit('data-failed', failure));
    for (const source of SOURCES) void peer.send(source, this.media.get(source).track).catch(() => undefined);
    if (this.#options.playAudio !== false) this.#audio.attach(peer.audioTracks);
  }

  #load(snapshot: Snapshot, resumed: boolean): void {
    // What was said meanwhile is lost: send everything until it is said again.
    if (resumed) for (const source of ['camera', 'screen'] as const) this.#setWatched(source, TOP_LAYER);
    this.#announce(this.#state.load(snapshot));
    this.#takeScores(snapshot.scores ?? []);
    this.#hand = this.self?.hand || this.#hand;
    this.#noteSlots();
    if (!resumed) return;
    this.#told.clear();
    for (const t of Object.values(this.self?.tracks ?? {})) this.#told.set(t.source, { muted: t.muted, width: t.width, height: t.height });
  }

  #online(repeatAll: boolean): void {
    if (repeatAll) for (const source of SOURCES) this.#syncSource(source);
    this.#intents.goOnline(repeatAll);
  }

  #stop(): void {
    this.#intents.stop();
    this.#attachments.clear();
    this.#view.stop();
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    for (const dispose of this.#disposers.splice(0)) dispose();
    this.#audio.detach();
  }

  /** Packets must arrive: of somebody who is on, or feedback for what we send. */
  #isBusy(): boolean {
    const on = this.slots.some((slot) => {
      const owner = slot.participant ? this.participants.get(slot.participant) : undefined;
      return owner?.connected && slot.source && owner.tracks[slot.source]?.muted === false;
    });
    return on || SOURCES.some((source) => this.media.get(source).active && !this.media.get(source).muted);
  }

  #listen(): void {
    this.#disposers.push(this.media.on('changed', (source) => this.#mediaChanged(source)));
    const interval = this.#options.qualityIntervalMs ?? 2000;
    if (interval) this.#timers.push(setInterval(() => void this.#sampleQuality(), interval));
    if (typeof window === 'undefined') return;
    const hide = () => this.#link.sayGoodbye();
    window.addEventListener('pagehide', hide);
    this.#disposers.push(() => window.removeEventListener('pagehide', hide));
  }

  // ---- events of the server -------------------------------------------------------------------------------------

  #handle(event: ServerEvent): void {
    if (event.op === 'layers') {
      this.#setWatched(event.source, event.max);
      return;
    }
    if (event.op === 'quality') {
      this.#takeScores(event.scores);
      return;
    }
    this.#announce(this.#state.apply(event));
    if (event.op === 'participant-left') this.#forgetScore(event.participant);
    if (event.op === 'slots') this.#noteSlots();
    if (event.op === 'speakers') this.emit('speakers', this.#state.speakers);
    this.emit('changed');
  }

  #announce(changes: Change[]): void {
    for (const change of changes) {
      switch (change.type) {
        case 'joined':
          this.emit('participant-joined', change.participant);
          break;
        case 'updated':
          if (change.participant.isLocal) this.#selfUpdated(change.participant, change.previous);
          this.emit('participant-updated', change.participant, change.previous);
          break;
        case 'left':
          this.#attachments.forget(change.participant.id);
          this.emit('participant-left', change.participant, change.reason);
          break;
        case 'attached':
          this.emit('track-attached', change);
          break;
        case 'detached':
          this.emit('track-detached', change);
          break;
        case 'chat':
          this.emit('chat', change.message);
          break;
      }
    }
    if (changes.length) this.#attachments.refresh();
  }

  #selfUpdated(now: Participant, before: Participant): void {
    this.#hand = now.hand;
    for (const source of SOURCES) {
      const track = now.tracks[source];
      if (track?.mutedBy !== 'moderator' || before.tracks[source]?.mutedBy === 'moderator') continue;
      this.#told.set(source, { muted: true, width: track.width, height: track.height });
      if (source === 'microphone' || source === 'camera') void this.media.setMuted(source, true);
      else this.media.unpublish(source);
      this.emit('muted-by-moderator', source);
    }
  }

  #noteSlots(): void {
    this.emit('slots', this.slots);
    const { peer } = this.#link;
    if (!peer) return;
    const slots = this.slots;
    void peer.pc.getStats().then(
      (stats) => peer === this.#link.peer && this.#baselines.update(slots, inboundByMid(reportsOf(stats))),
      () => undefined,
    );
  }

  // ---- local media → server -------------------------------------------------------------------------------------

  #findTrack(id: string, source: Source, mid: string | null): MediaStreamTrack | null {
    if (id === this.#state.selfId) return this.media.get(source).track;
    return mid === null ? null : (this.#link.peer?.slotTrack(mid) ?? null);
  }

  #mediaChanged(source: Source): void {
    this.#announce(this.#state.refreshSelf());
    void this.#link.peer?.send(source, this.media.get(source).track).catch((error: unknown) => {
      this.emit('error', new ConclaveError('internal', `The ${source} could not be sent: ${String(error)}`));
    });
    this.#syncSource(source);
    this.emit('changed');
  }

  #syncSource(source: Source): void {
    if (this.connection === 'closed') return;
    if (!this.media.get(source).active && !this.#told.has(source)) return;
    this.#background(this.#intents.set(`source:${source}`, () => this.#tell(source)));
  }

  /** Makes the server's idea of one source equal to ours. */
  async #tell(source: Source): Promise<void> {
    const { active, muted, width, height } = this.media.get(source);
    const told = this.#told.get(source);
    if (!active) {
      if (told) await this.#request('unpublish', { source });
      this.#told.delete(source);
      return;
    }
    const resized = !muted && width !== null && (told?.width !== width || told?.height !== height);
    if (!told || resized) {
      await this.#request('publish', { source, muted, ...(width && height ? { width, height } : {}) });
    }
    if (told && told.muted !== muted) await this.#request('mute', { source, muted });
    this.#told.set(source, { muted, width: width ?? told?.width ?? null, height: height ?? told?.height ?? null });
  }

  async #sendView(): Promise<void> {
    const video = this.#view.wanted;
    if (video) await this.#request('view', { video });
  }

  #request: Signaling['request'] = (op, fields) => this.#link.request(op, fields);

  #background(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (codeOf(error) !== 'closed') this.emit('error', error instanceof ConclaveError ? error : new ConclaveError('internal', String(error)));
    });
  }

  // ---- watching -------------------------------------------------------------------------------------------------

  /** Polls until a frame of anybody was decoded; for the join timeline only, so it gives up after 30 s. */
  #watchFirstFrame(peer: Peer): void {
    if (this.#timeline.has('firstFrame')) return;
    const end = Date.now() + 30_000;
    const timer = setInterval(() => {
      if (peer !== this.#link.peer || this.#timeline.has('firstFrame') || Date.now() > end) {
        clearInterval(timer);
        return;
      }
      if (!this.slots.some((s) => s.kind === 'video' && s.participant)) return;
      void peer.pc.getStats().then(
        (stats) => {
          for (const s of inboundByMid(reportsOf(stats)).values()) if (s.framesDecoded > 0) this.noteFirstFrame();
        },
        () => undefined,
      );
    }, 60);
    this.#timers.push(timer);
  }

  async #sampleQuality(): Promise<void> {
    const { peer } = this.#link;
    if (!peer || this.connection === 'connecting') return;
    let reports;
    try {
      reports = reportsOf(await peer.pc.getStats());
    } catch {
      return;
    }
    if (peer !== this.#link.peer) return;
    const inbound = inboundByMid(reports);
    const rtt = transportOf(reports, '').rtt;
    const loss = remoteLoss(reports);
    const worst = new Map<string, Bars>();
    const at = Date.now();
    for (const slot of this.slots) {
      const now = inbound.get(slot.mid);
      const participant = slot.participant ? this.participants.get(slot.participant) : undefined;
      if (!now || !participant || !slot.source) continue;
      const owner = `${participant.id} ${slot.source}`;
      const before = this.#lastInbound.get(slot.mid);
      this.#lastInbound.set(slot.mid, { ...now, at, owner });
      if (!before || before.owner !== owner || participant.tracks[slot.source]?.muted !== false) continue;
      const seconds = Math.max(0.1, (at - before.at) / 1000);
      // A shared screen may stand still: frames say nothing about it.
      const fps = slot.source === 'camera' ? (now.framesDecoded - before.framesDecoded) / seconds : null;
      const counters = (s: InboundStats) => ({ received: s.packetsReceived, lost: s.packetsLost });
      const bars = barsOf({ rtt: null, loss: lossBetween(counters(before), counters(now)), fps });
      worst.set(participant.id, Math.min(bars, worst.get(participant.id) ?? 4) as Bars);
    }
    for (const p of this.participants.values()) if (!p.connected) worst.set(p.id, 0);
    const alive = this.connection === 'connected' && peer.pc.connectionState === 'connected';
    this.#measured = { own: alive ? barsOf({ rtt, loss }) : 0, participants: worst, rtt, loss };
    this.#noteQuality();
  }

  #setWatched(source: Source, layer: number): void {
    void this.#link.peer?.setWatched(source, layer).catch(() => undefined);
  }

  /** Those who are not mentioned are as they were. */
  #takeScores(scores: readonly QualityScore[]): void {
    if (scores.length === 0) return;
    this.#scores = new Map([...this.#scores, ...scores.map((s) => [s.participant, barsOfScore(s.score)] as const)]);
    this.#noteQuality();
  }

  #forgetScore(participant: string): void {
    const left = new Map(this.#scores);
    left.delete(participant);
    this.#scores = left;
  }

  #noteQuality(): void {
    const { own, participants: measured, rtt, loss } = this.#measured;
    const participants = new Map(measured);
    for (const [id, bars] of this.#scores) {
      if (this.participants.has(id)) participants.set(id, Math.min(bars, participants.get(id) ?? 4) as Bars);
    }
    const self = participants.get(this.#state.selfId) ?? 4;
    participants.delete(this.#state.selfId);
    this.#quality = { own: Math.min(own, self) as Bars, participants, rtt, loss };
    this.emit('quality', this.#quality);
    this.emit('changed');
  }
}
