// A meeting: the façade of the SDK. Owns the socket and the peer connection, keeps state, local media and server in step.
// SPDX-License-Identifier: Apache-2.0
import { AudioOutput } from './audio-output.js';
import { Connector, remedyForClose, remedyForClosing, type ConnectorOptions, type Remedy } from './connector.js';
import { Emitter } from './emitter.js';
import { codeOf, ConclaveError } from './errors.js';
import { IceRestarter, watchNetwork, type RestartOptions } from './ice-restart.js';
import { Intents } from './intents.js';
import { TOP_LAYER } from './layers.js';
import { LocalMedia } from './local-media.js';
import { MediaWatch, type MediaHealth, type MediaWatchOptions } from './media-watch.js';
import { Peer, type PeerOptions } from './peer.js';
import { CloseCode, SOURCES, type LeftReason, type ServerEvent, type Snapshot, type Source, type Speaker, type ViewEntry, type WireSlot } from './protocol.js';
import { barsOf, barsOfScore, lossBetween, type Bars } from './quality.js';
import { Signaling, type SignalingOptions } from './signaling.js';
import { RoomState, type Change, type ChatMessage, type Participant } from './state.js';
import { arrivedOf, inboundByMid, outboundBySource, remoteLoss, reportsOf, SlotBaselines, transportOf, type InboundStats, type RoomStats } from './stats.js';
import { Timeline, type JoinTimeline } from './timeline.js';
import { ViewDebouncer } from './view.js';

export type RoomConnection = 'new' | 'connecting' | 'connected' | 'reconnecting' | 'closed';

/** Called for each join. `refresh` is true when the server refused the last token. */
export type TokenProvider = (options: { refresh: boolean }) => string | Promise<string>;

export interface RoomOptions {
  room: string;
  /** Default: the name in the token. */
  name?: string;
  token: string | TokenProvider;
  /** ws(s):// address of signald, such as wss://meet.example.org/ws. */
  url: string;
  /** Microphone, camera and screen; bring those of the lobby. Default: a new, silent one. */
  media?: LocalMedia;
  peer?: PeerOptions;
  /** Called for each join, for STUN and TURN. Failures are ignored: the server has public candidates. */
  iceServers?: () => Promise<RTCIceServer[]>;
  signaling?: SignalingOptions;
  connector?: ConnectorOptions;
  /** Play remote audio. Default true. */
  playAudio?: boolean;
  /** Between quality samples, in ms; 0 turns them off. Default 2000. */
  qualityIntervalMs?: number;
  /** When a media path counts as dead. */
  mediaWatch?: MediaWatchOptions;
  /** When ICE is restarted. */
  iceRestart?: RestartOptions;
  /** How long `join()` tries again when the server cannot take us, in ms. Default 15000. */
  joinPatienceMs?: number;
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

const STUCK_JOIN_MS = 1500;
/** When media are quiet or the network changed, a socket that does not answer within this is of the one before. */
const DOUBT_MS = 700;
/** Between two such judgements. */
const DOUBT_INTERVAL_MS = 10_000;
const NO_QUALITY: Quality = { own: 4, participants: new Map(), rtt: null, loss: null };

export class Room extends Emitter<RoomEvents> {
  readonly media: LocalMedia;
  readonly #options: RoomOptions;
  readonly #state: RoomState;
  readonly #intents: Intents;
  readonly #view: ViewDebouncer;
  readonly #audio: AudioOutput;
  readonly #timeline = new Timeline();
  readonly #baselines = new SlotBaselines();
  #connection: RoomConnection = 'new';
  #signaling: Signaling | null = null;
  #peer: Peer | null = null;
  #connector: Connector | null = null;
  #restarter: IceRestarter | null = null;
  #doubting = false;
  #abandonedAt = -Infinity;
  #watch = new MediaWatch();
  #watching = false;
  #mediaLost = false;
  /** We rejoin because media seem to be dead: called off when they come back. */
  #suspicion = false;
  /** The socket of a join that is under way. */
  #joining: { signaling: Signaling; since: number } | null = null;
  #resumeToken = '';
  #signald: string | null = null;
  #node: string | null = null;
  #hand = false;
  /** What the server knows of our sources. */
  #told = new Map<Source, { muted: boolean; width: number | null; height: number | null }>();
  #quality: Quality = NO_QUALITY;
  /** What the statistics of this browser say. */
  #measured: Quality = NO_QUALITY;
  /** What the server says, by participant. */
  #scores: ReadonlyMap<string, Bars> = new Map();
  #lastInbound = new Map<string, InboundStats & { at: number; owner: string }>();
  #counts = { joins: 0, resumes: 0, setRemoteDescriptionCalls: 0 };
  #timers: ReturnType<typeof setInterval>[] = [];
  #disposers: (() => void)[] = [];
  #closeInfo: { reason: string; message: string } | null = null;

  constructor(options: RoomOptions) {
    super();
    this.#options = options;
    this.media = options.media ?? new LocalMedia();
    this.#state = new RoomState((id, source, mid) => this.#findTrack(id, source, mid));
    this.#intents = new Intents(options.connector?.backoff);
    this.#view = new ViewDebouncer(() => this.#background(this.#intents.set('view', () => this.#sendView())));
    this.#audio = new AudioOutput((blocked) => {
      this.emit('audio-blocked', blocked);
      this.emit('changed');
    });
  }

  // ---- what is --------------------------------------------------------------------------------------------------

  get name(): string {
    return this.#options.room;
  }
  get connection(): RoomConnection {
    return this.#connection;
  }
  /** `reconnecting` because nothing arrives from the media node, whether or not the signaling works. */
  get mediaLost(): boolean {
    return this.#mediaLost;
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
    return this.#signald;
  }
  get closeInfo(): { reason: string; message: string } | null {
    return this.#closeInfo;
  }
  /** For debugging; may be replaced by a rejoin. */
  get peerConnection(): RTCPeerConnection | null {
    return this.#peer?.pc ?? null;
  }

  // ---- coming and going -----------------------------------------------------------------------------------------

  /** Joins; resolves when the server has answered and media is being connected. `clickedAt` is for the timeline. */
  async join(clickedAt?: number): Promise<void> {
    if (this.#connection !== 'new') throw new ConclaveError('already-joined', 'This room was joined before: make a new one.');
    this.#timeline.begin(clickedAt);
    this.#setConnection('connecting');
    this.#listen();
    try {
      await this.#connect('rejoin', true, { giveUpMs: this.#options.joinPatienceMs ?? 15_000 });
    } catch (error) {
      this.#close(codeOf(error), error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  /** Leaves and stops everything but the local media, which belong to the caller (`room.media.stop()`). */
  async leave(): Promise<void> {
    if (this.#connection === 'closed') return;
    const signaling = this.#signaling;
    const bye = signaling?.isOpen ? signaling.request('leave', {}) : null;
    this.#signaling = null;
    this.#close('left', 'You left the room.');
    await Promise.race([bye?.catch(() => undefined), new Promise((resolve) => setTimeout(resolve, 1000))]);
    signaling?.close(1000);
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

  /** What to see, most important first, in device pixels. Debounced; the server moves slots only where needed. */
  setView(entries: readonly ViewEntry[]): void {
    if (this.#connection !== 'closed') this.#view.set(entries);
  }

  // ---- others ---------------------------------------------------------------------------------------------------

  /** Not repeated by itself: on `unavailable` or `disconnected` the text is not sent, and the error says so. */
  async sendChat(text: string, to?: string): Promise<void> {
    await this.#request('chat', to ? { text, to } : { text });
  }

  /** Moderators only. */
  async muteParticipant(participant: string, source: Source): Promise<void> {
    await this.#request('mute', { participant, source, muted: true });
  }

  async lowerHand(participant: string): Promise<void> {
    await this.#request('hand', { participant, raised: false });
  }

  async removeParticipant(participant: string): Promise<void> {
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

  selectSpeaker(deviceId: string): Promise<void> {
    return this.#audio.select(deviceId);
  }

  /** Tell it when a remote frame was painted: sharper than the statistics, for the join timeline. */
  noteFirstFrame(): void {
    if (this.#timeline.mark('firstFrame')) this.emit('changed');
  }

  async stats(): Promise<RoomStats> {
    const peer = this.#peer;
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
      ...this.#counts,
      timeline: this.timeline,
      signalingRtt: this.#signaling?.rtt ?? null,
      signald: this.#signald,
      node: this.#node,
      transport: transportOf(reports, peer?.pc.iceConnectionState ?? 'closed'),
      participants,
      sent: outboundBySource(reports, (mid) => peer?.sourceOfMid(mid) ?? null),
    };
  }

  // ---- connecting -----------------------------------------------------------------------------------------------

  async #connect(start: 'resume' | 'rejoin', immediately: boolean, extra: ConnectorOptions = {}): Promise<'resumed' | 'joined' | 'kept'> {
    const connector = new Connector(
      { resume: () => this.#resume(), join: (refresh) => this.#joinOnce(refresh) },
      {
        onRetry: (error) => this.emit('retrying', error instanceof ConclaveError ? error : new ConclaveError('internal', String(error))),
        ...extra,
        ...this.#options.connector,
      },
    );
    this.#connector = connector;
    try {
      return await connector.run(start, immediately);
    } finally {
      if (this.#connector === connector) this.#connector = null;
    }
  }

  /** The connection is gone or no good: get it back. */
  #recover(remedy: Remedy): void {
    if (this.#connection === 'closed') return;
    if (remedy.do === 'close') {
      this.#close(remedy.reason, closeMessage(remedy.reason));
      return;
    }
    // Media alone: the socket goes on being of use until a new one has joined.
    if (!this.#signaling?.isOpen || remedy.do === 'resume') this.#intents.goOffline();
    if (this.#connector) {
      // Joining or resuming already: it notices a broken socket by itself.
      if (remedy.do === 'rejoin') this.#connector.demandRejoin();
      return;
    }
    this.#setConnection('reconnecting');
    this.#connect(remedy.do, remedy.do === 'rejoin' || remedy.immediately).then(
      (how) => {
        if (how === 'resumed') this.#restarter?.resumed();
        if (how !== 'kept') this.emit('reconnected', { rejoined: how === 'joined' });
        else if (this.#signaling) this.#mediaBack();
        // The socket broke while we still tried to join, and media are back: keep them.
        else this.#recover({ do: 'resume', immediately: true });
      },
      (error: unknown) => this.#close(codeOf(error), error instanceof Error ? error.message : String(error)),
    );
  }

  /** Make before break: what there is of a socket and a peer connection stays until the new join is answered. */
  async #joinOnce(refreshToken: boolean): Promise<void> {
    const { room, name, token } = this.#options;
    // All at once: a join costs the slowest of them and one round trip.
    const signalingReady = this.#openSignaling();
    const tokenReady = Promise.resolve(typeof token === 'string' ? token : token({ refresh: refreshToken }));
    const peerReady = this.#newPeer();
    let signaling: Signaling | null = null;
    let peer: Peer | null = null;
    try {
      const [opened, created, jwt] = await Promise.all([signalingReady, peerReady, tokenReady]);
      signaling = opened;
      peer = created.peer;
      this.#joining = { signaling, since: Date.now() };
      const joined = await signaling.request('join', { token: jwt, room, ...(name ? { name } : {}), ...created.offer });
      this.#timeline.mark('joined');
      if (this.#connection === 'closed') {
        void signaling.request('leave', {}).catch(() => undefined);
        throw new ConclaveError('closed', 'The room was closed.');
      }
      this.#dropSignaling(true);
      this.#adoptPeer(peer);
      this.#told.clear();
      this.#scores = new Map();
      this.#baselines.clear();
      this.#adoptSession(signaling, joined);
      this.#counts.joins += 1;
      this.#counts.setRemoteDescriptionCalls += 1;
      await peer.accept(joined.sdp);
      if (!signaling.isOpen) throw new ConclaveError('disconnected', 'The connection to the server broke.');
      this.#online(true);
    } catch (error) {
      // Whichever of the three came through must not be left behind.
      void signalingReady.then((s) => s !== this.#signaling && s.close(), () => undefined);
      void peerReady.then((p) => p.peer !== this.#peer && p.peer.close(), () => undefined);
      void tokenReady.catch(() => undefined);
      if (codeOf(error) === 'room-full' && this.#signaling) {
        // Our own old seat may be the one that is missing.
        this.#dropSignaling(true);
        throw new ConclaveError('unavailable', 'The room is full.', 250);
      }
      throw error;
    } finally {
      this.#joining = null;
    }
  }

  async #resume(): Promise<void> {
    const signaling = await this.#openSignaling();
    try {
      const resumed = await signaling.request('resume', { resume: this.#resumeToken, seq: this.#state.seq });
      if (this.#connection === 'closed') throw new ConclaveError('closed', 'The room was closed.');
      this.#dropSignaling(false);
      this.#counts.resumes += 1;
      // What was said meanwhile is lost: send everything until it is said again.
      for (const source of ['camera', 'screen'] as const) this.#setWatched(source, TOP_LAYER);
      this.#adoptSession(signaling, resumed);
      this.#told.clear();
      for (const t of Object.values(this.self?.tracks ?? {})) this.#told.set(t.source, { muted: t.muted, width: t.width, height: t.height });
      this.#online(true);
    } catch (error) {
      if (signaling !== this.#signaling) signaling.close();
      throw error;
    }
  }

  async #openSignaling(): Promise<Signaling> {
    const signaling = await Signaling.open(this.#options.url, this.#options.signaling);
    this.#timeline.mark('ws');
    return signaling;
  }

  /** From here on this socket is ours; the one before is forgotten, whatever it still says. */
  #adoptSession(signaling: Signaling, snapshot: Snapshot): void {
    this.#signaling = signaling;
    this.#resumeToken = snapshot.resume;
    this.#signald = snapshot.signald ?? null;
    this.#node = snapshot.node ?? this.#node;
    signaling.on('event', (event) => signaling === this.#signaling && this.#handle(event));
    signaling.on('error', (error) => signaling === this.#signaling && this.emit('error', error));
    signaling.on('closed', ({ code }) => {
      if (signaling !== this.#signaling) return;
      this.#signaling = null;
      // While draining, the old socket ends because we resume elsewhere ourselves.
      if (this.#connector && code === CloseCode.resumedElsewhere) return;
      this.#recover(remedyForClose(code));
    });
    this.#announce(this.#state.load(snapshot));
    this.#hand = this.self?.hand || this.#hand;
    this.#noteSlots();
    // The socket may have broken between the reply and now.
    if (!signaling.isOpen) throw new ConclaveError('disconnected', 'The connection to the server broke.');
  }

  #dropSignaling(leave: boolean): void {
    const signaling = this.#signaling;
    this.#signaling = null;
    if (!signaling) return;
    if (leave && signaling.isOpen) void signaling.request('leave', {}).catch(() => undefined);
    // Give the message a chance to leave before the close frame.
    signaling.close();
  }

  async #newPeer(): Promise<{ peer: Peer; offer: { sdp: string; sources: Record<string, Source> } }> {
    const peer = new Peer(this.#options.peer);
    const offer = await peer.offer(withTimeout(this.#options.iceServers?.(), 1000));
    this.#timeline.mark('offer');
    return { peer, offer };
  }

  #adoptPeer(peer: Peer): void {
    this.#peer?.close();
    this.#peer = peer;
    this.#watch = new MediaWatch(this.#options.mediaWatch);
    this.#restarter?.stop();
    this.#restarter = this.#newRestarter(peer);
    this.#mediaLost = false;
    this.#suspicion = false;
    peer.on('ice', (state) => {
      if (peer === this.#peer) this.#restarter?.noteIce(state);
      if (state === 'connected' || state === 'completed') this.#timeline.mark('ice');
    });
    peer.on('state', (state) => {
      if (peer !== this.#peer) return;
      if (state === 'connected') {
        this.#timeline.mark('dtls');
        this.#watchFirstFrame(peer);
      }
      // Without a path ICE is restarted; without DTLS nothing helps.
      if (state === 'failed' && peer.pc.iceConnectionState === 'failed') this.#noteMediaLost();
      else if (state === 'failed') this.#mediaFailed();
      this.emit('changed');
    });
    for (const source of SOURCES) void peer.send(source, this.media.get(source).track).catch(() => undefined);
    if (this.#options.playAudio !== false) this.#audio.attach(peer.audioTracks);
  }

  #online(repeatAll: boolean): void {
    for (const source of SOURCES) this.#syncSource(source);
    this.#intents.goOnline(repeatAll);
    this.#setConnection('connected');
  }

  #close(reason: string, message: string): void {
    if (this.#connection === 'closed') return;
    this.#closeInfo = { reason, message };
    this.#connector?.stop();
    this.#restarter?.stop();
    this.#intents.stop();
    this.#view.stop();
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    for (const dispose of this.#disposers.splice(0)) dispose();
    this.#audio.detach();
    this.#setConnection('closed');
    const signaling = this.#signaling;
    this.#signaling = null;
    signaling?.close();
    this.#peer?.close();
    this.emit('closed', { reason, message });
  }

  #setConnection(next: RoomConnection): void {
    if (this.#connection === next || this.#connection === 'closed') return;
    this.#connection = next;
    this.emit('connection', next);
    this.emit('changed');
  }

  #listen(): void {
    this.#disposers.push(this.media.on('changed', (source) => this.#mediaChanged(source)));
    const interval = this.#options.qualityIntervalMs ?? 2000;
    if (interval) this.#timers.push(setInterval(() => void this.#sampleQuality(), interval));
    const watch = this.#options.mediaWatch?.intervalMs ?? 500;
    if (watch) this.#timers.push(setInterval(() => void this.#watchMedia(), watch));
    const networkChanged = () => {
      this.#connector?.wake();
      this.#restarter?.networkChanged();
      void this.#doubtSocket(true);
    };
    this.#disposers.push(watchNetwork(networkChanged));
    if (typeof window === 'undefined') return;
    const hide = () => this.#signaling?.isOpen && void this.#signaling.request('leave', {}).catch(() => undefined);
    window.addEventListener('pagehide', hide);
    this.#disposers.push(() => window.removeEventListener('pagehide', hide));
  }

  // ---- events of the server -------------------------------------------------------------------------------------

  #handle(event: ServerEvent): void {
    if (event.op === 'closing') {
      const signaling = this.#signaling;
      const remedy = remedyForClosing(event.reason);
      if (remedy.do === 'close') {
        this.#close(remedy.reason, event.message || closeMessage(remedy.reason));
        return;
      }
      // Draining: the old socket stands until the new one has taken over. Otherwise it is of no more use.
      if (event.reason !== 'draining') {
        this.#signaling = null;
        signaling?.close();
      }
      this.#recover(remedy);
      return;
    }
    if (event.op === 'media') {
      if (event.state === 'failed') {
        this.#abandonStuckJoin();
        this.#mediaFailed();
      }
      return;
    }
    if (event.op === 'layers') {
      this.#setWatched(event.source, event.max);
      return;
    }
    if (event.op === 'quality') {
      // Those who are not mentioned are as they were.
      this.#scores = new Map([...this.#scores, ...event.scores.map((s) => [s.participant, barsOfScore(s.score)] as const)]);
      this.#noteQuality();
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
    const peer = this.#peer;
    if (!peer) return;
    const slots = this.slots;
    void peer.pc.getStats().then(
      (stats) => peer === this.#peer && this.#baselines.update(slots, inboundByMid(reportsOf(stats))),
      () => undefined,
    );
  }

  // ---- local media → server -------------------------------------------------------------------------------------

  #findTrack(id: string, source: Source, mid: string | null): MediaStreamTrack | null {
    if (id === this.#state.selfId) return this.media.get(source).track;
    return mid === null ? null : (this.#peer?.slotTrack(mid) ?? null);
  }

  #mediaChanged(source: Source): void {
    this.#announce(this.#state.refreshSelf());
    void this.#peer?.send(source, this.media.get(source).track).catch((error: unknown) => {
      this.emit('error', new ConclaveError('internal', `The ${source} could not be sent: ${String(error)}`));
    });
    this.#syncSource(source);
    this.emit('changed');
  }

  #syncSource(source: Source): void {
    if (this.#connection === 'closed') return;
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

  #request: Signaling['request'] = (op, fields) => {
    if (this.#connection === 'closed') return Promise.reject(new ConclaveError('closed', 'The room is closed.'));
    if (!this.#signaling) return Promise.reject(new ConclaveError('disconnected', 'The connection to the server is broken.'));
    return this.#signaling.request(op, fields);
  };

  #background(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (codeOf(error) !== 'closed') this.emit('error', error instanceof ConclaveError ? error : new ConclaveError('internal', String(error)));
    });
  }

  // ---- a media path that dies ------------------------------------------------------------------------------------

  async #watchMedia(): Promise<void> {
    const peer = this.#peer;
    if (!peer || this.#watching || !['connected', 'disconnected'].includes(peer.pc.connectionState)) return;
    this.#watching = true;
    try {
      const arrived = arrivedOf(reportsOf(await peer.pc.getStats()));
      if (peer !== this.#peer || this.#connection === 'closed') return;
      const health = this.#watch.sample({ at: performance.now(), arrived, ice: peer.pc.iceConnectionState, busy: this.#busy() });
      await this.#actOn(health, peer);
    } catch {
      // no statistics now: nothing is known
    } finally {
      this.#watching = false;
    }
  }

  /** Packets must arrive: of somebody who is on, or feedback for what we send. */
  #busy(): boolean {
    const on = this.slots.some((slot) => {
      const owner = slot.participant ? this.participants.get(slot.participant) : undefined;
      return owner?.connected && slot.source && owner.tracks[slot.source]?.muted === false;
    });
    return on || SOURCES.some((source) => this.media.get(source).active && !this.media.get(source).muted);
  }

  async #actOn(health: MediaHealth, peer: Peer): Promise<void> {
    if (health === 'alive') {
      if (!this.#mediaLost) return;
      if (this.#connector) {
        if (this.#suspicion) this.#connector.callOff();
      } else if (this.#signaling) this.#mediaBack();
      return;
    }
    if (health !== 'quiet') this.#noteMediaLost();
    // Without a socket, or with a silent one, it is our network: resuming comes first.
    if (this.#connector || !this.#signaling?.isOpen) return;
    this.#restarter?.begin();
    void this.#doubtSocket();
    if (health !== 'dead' || this.#restarter?.isPromising) return;
    if (!(await this.#signalingAnswers())) return;
    if (peer === this.#peer && !this.#connector && this.#signaling?.isOpen) {
      this.#suspicion = true;
      this.#recover({ do: 'rejoin' });
    }
  }

  #noteMediaLost(): void {
    if (this.#mediaLost && this.#connection !== 'connected') return;
    this.#mediaLost = true;
    if (this.#connection === 'connected') this.#setConnection('reconnecting');
    else this.emit('changed');
  }

  /** Said by the browser or the server: no doubt, and no way back. */
  #mediaFailed(): void {
    this.#suspicion = false;
    this.#noteMediaLost();
    this.#recover({ do: 'rejoin' });
  }

  #newRestarter(peer: Peer): IceRestarter {
    return new IceRestarter(
      {
        isPossible: () => peer === this.#peer && !this.#connector && !!this.#signaling?.isOpen,
        isHealthy: () => !this.#mediaLost && ['connected', 'completed'].includes(peer.pc.iceConnectionState),
        giveUp: () => this.#mediaFailed(),
        restart: ({ anew, attempt }) => this.#restartIce(peer, anew, attempt),
      },
      this.#options.iceRestart,
    );
  }

  /** Other TURN servers only when those we have did not help: asking for them takes time. */
  async #restartIce(peer: Peer, anew: boolean, attempt: number): Promise<void> {
    const servers = attempt > 0 ? withTimeout(this.#options.iceServers?.(), 1000) : undefined;
    const { sdp } = await this.#request('offer', { ...(await peer.restartOffer(anew, servers)) });
    if (peer !== this.#peer) throw new ConclaveError('closed', 'There is another connection now.');
    this.#counts.setRemoteDescriptionCalls += 1;
    await peer.accept(sdp);
  }

  /** A join that has not been answered by now waits for the node that has just been declared dead: do it anew. */
  #abandonStuckJoin(): void {
    const joining = this.#joining;
    if (joining && Date.now() - joining.since > STUCK_JOIN_MS) joining.signaling.close();
  }

  /** Media are quiet, or the network is another: is the socket of the old one? Nobody else will tell us for long. */
  async #doubtSocket(isOther = false): Promise<void> {
    const signaling = this.#signaling;
    if (!signaling || this.#doubting || performance.now() - this.#abandonedAt < DOUBT_INTERVAL_MS) return;
    this.#doubting = true;
    const answered = (await withTimeout(this.ping(), DOUBT_MS)) !== undefined;
    this.#doubting = false;
    if (answered || signaling !== this.#signaling || this.#connector || (this.#watch.isAlive && !isOther)) return;
    this.#abandonedAt = performance.now();
    signaling.abandon();
  }

  async #signalingAnswers(): Promise<boolean> {
    return (await withTimeout(this.ping(), 2000)) !== undefined;
  }

  #mediaBack(): void {
    this.#mediaLost = false;
    this.#intents.goOnline(false);
    this.#setConnection('connected');
    this.emit('reconnected', { rejoined: false });
  }

  // ---- watching -------------------------------------------------------------------------------------------------

  /** Polls until a frame of anybody was decoded; for the join timeline only, so it gives up after 30 s. */
  #watchFirstFrame(peer: Peer): void {
    if (this.#timeline.has('firstFrame')) return;
    const end = Date.now() + 30_000;
    const timer = setInterval(() => {
      if (peer !== this.#peer || this.#timeline.has('firstFrame') || Date.now() > end) {
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
    const peer = this.#peer;
    if (!peer || this.#connection === 'connecting') return;
    let reports;
    try {
      reports = reportsOf(await peer.pc.getStats());
    } catch {
      return;
    }
    if (peer !== this.#peer) return;
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
    const alive = this.#connection === 'connected' && peer.pc.connectionState === 'connected';
    this.#measured = { own: alive ? barsOf({ rtt, loss }) : 0, participants: worst, rtt, loss };
    this.#noteQuality();
  }

  #setWatched(source: Source, layer: number): void {
    void this.#peer?.setWatched(source, layer).catch(() => undefined);
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

/** Undefined when it fails or takes longer. */
function withTimeout<T>(promise: Promise<T> | undefined, ms: number): Promise<T | undefined> {
  if (!promise) return Promise.resolve(undefined);
  return Promise.race([promise.catch(() => undefined), new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), ms))]);
}

function closeMessage(reason: string): string {
  switch (reason) {
    case 'removed':
      return 'A moderator removed you from the room.';
    case 'replaced':
      return 'You joined this room from somewhere else.';
    case 'left':
      return 'You left the room.';
    default:
      return 'The connection to the room was lost.';
  }
}
