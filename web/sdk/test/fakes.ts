// Stand-ins for a browser: a WebSocket whose other end the test holds, and an RTCPeerConnection that remembers.
// SPDX-License-Identifier: Apache-2.0
import type { WireParticipant, WireSlot } from '../src/protocol.js';

type Message = Record<string, unknown> & { op: string; id?: number };

/** Answers requests by `answer`; a function may be replaced during a test. */
export class FakeServer {
  sockets: FakeSocket[] = [];
  received: Message[] = [];
  /** Return undefined to stay silent. */
  answers: Record<string, (message: Message, socket: FakeSocket) => Record<string, unknown> | undefined> = {};
  refuseConnections = false;
  /** So many of the next sockets hear nothing. */
  deafConnections = 0;
  participants: WireParticipant[] = [];
  slots: WireSlot[] = [];
  joins = 0;

  constructor() {
    const ok = () => ({ op: 'ok' });
    for (const op of ['publish', 'unpublish', 'mute', 'view', 'chat', 'hand', 'remove', 'leave']) this.answers[op] = ok;
    this.answers['ping'] = () => ({ op: 'pong' });
    this.answers['join'] = (m) => {
      this.joins += 1;
      const self: WireParticipant = { id: `p_${this.joins}`, name: String(m['name'] ?? 'Ada'), kind: 'guest', role: 'moderator', hand: false, connected: true, tracks: [] };
      return { op: 'joined', sdp: 'answer', ...this.#snapshot(self) };
    };
    this.answers['resume'] = () => ({ op: 'resumed', ...this.#snapshot(this.self ?? undefined) });
  }

  self: WireParticipant | null = null;
  scores: { participant: string; score: number }[] = [];
  dominant: string | null = null;

  #snapshot(self?: WireParticipant) {
    this.self = self ?? this.self;
    return {
      participant: this.self?.id,
      room: 'standup',
      seq: 12,
      resume: `resume-${this.sockets.length}`,
      resume_window_ms: 30000,
      signald: `signald-${this.sockets.length}`,
      node: 'sfud-1',
      role: 'moderator',
      participants: [...this.participants, ...(this.self ? [this.self] : [])],
      slots: this.slots,
      scores: this.scores,
      dominant: this.dominant,
      chat: [],
    };
  }

  get socket(): FakeSocket {
    return this.sockets[this.sockets.length - 1]!;
  }

  get Socket(): new (url: string, protocol: string) => WebSocket {
    const server = this;
    return class extends FakeSocket {
      constructor(url: string, protocol: string) {
        super(server, url, protocol);
      }
    } as unknown as new (url: string, protocol: string) => WebSocket;
  }

  ops(op: string): Message[] {
    return this.received.filter((m) => m.op === op);
  }
}

export class FakeSocket {
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  closedWith: number | null = null;

  constructor(
    private readonly server: FakeServer,
    readonly url: string,
    readonly protocol: string,
  ) {
    server.sockets.push(this);
    queueMicrotask(() => {
      if (server.deafConnections-- > 0) return;
      if (server.refuseConnections) this.drop(1006);
      else {
        this.readyState = 1;
        this.onopen?.();
      }
    });
  }

  send(text: string): void {
    const message = JSON.parse(text) as Message;
    this.server.received.push(message);
    queueMicrotask(() => {
      const reply = this.server.answers[message.op]?.(message, this);
      if (reply && this.readyState === 1) this.say({ id: message.id, ...reply });
    });
  }

  close(code = 1000): void {
    this.closedWith = code;
    this.readyState = 3;
  }

  /** The server speaks. */
  say(message: Record<string, unknown>): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** The server or the network closes. */
  drop(code: number): void {
    this.readyState = 3;
    this.onclose?.({ code, reason: '' });
  }
}

export class FakeTrack {
  enabled = true;
  readyState = 'live';
  contentHint = '';
  onended: (() => void) | null = null;
  constructor(
    readonly kind: 'audio' | 'video',
    readonly name = '',
  ) {}
  stop() {
    this.readyState = 'ended';
  }
  getSettings() {
    return this.kind === 'video' ? { width: 1280, height: 720 } : {};
  }
  get asTrack() {
    return this as unknown as MediaStreamTrack;
  }
}

export class FakeDataChannel {
  readyState = 'connecting';
  bufferedAmount = 0;
  binaryType = 'blob';
  sent: Uint8Array[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly maxRetransmits: number | null;
  readonly maxPacketLifeTime = null;

  constructor(
    readonly label: string,
    readonly init: RTCDataChannelInit,
  ) {
    this.maxRetransmits = init.maxRetransmits ?? null;
  }
  send(message: Uint8Array) {
    this.sent.push(message);
  }
  open() {
    this.readyState = 'open';
    this.onopen?.();
  }
  hear(kind: number, name: string, payload: string) {
    const text = new TextEncoder().encode(name + payload);
    const bytes = new Uint8Array(2 + text.length);
    bytes.set([kind, new TextEncoder().encode(name).length]);
    bytes.set(text, 2);
    this.onmessage?.({ data: bytes.buffer });
  }
  drop() {
    this.readyState = 'closed';
    this.onclose?.();
  }
  close() {
    this.drop();
  }
}

export class FakePeerConnection {
  static all: FakePeerConnection[] = [];
  transceivers: { mid: string | null; kind: string; init: RTCRtpTransceiverInit; sender: { track: unknown; replaceTrack(t: unknown): Promise<void>; parameters: { encodings: RTCRtpEncodingParameters[] } }; receiver: { track: FakeTrack } }[] = [];
  remote: string[] = [];
  connectionState = 'new';
  iceConnectionState = 'new';
  onconnectionstatechange: (() => void) | null = null;
  oniceconnectionstatechange: (() => void) | null = null;
  localDescription: { sdp: string } | null = null;
  closed = false;

  constructor() {
    FakePeerConnection.all.push(this);
  }
  addTransceiver(kind: 'audio' | 'video', init: RTCRtpTransceiverInit) {
    const sender = {
      track: null as unknown,
      replaceTrack(track: unknown) {
        sender.track = track;
        return Promise.resolve();
      },
      parameters: { encodings: init.sendEncodings ?? [{}] },
      getParameters: () => structuredClone(sender.parameters),
      setParameters(p: { encodings: RTCRtpEncodingParameters[] }) {
        sender.parameters = p;
        return Promise.resolve();
      },
    };
    const t = { mid: null, kind, init, sender, receiver: { track: new FakeTrack(kind, `slot ${this.transceivers.length}`) } };
    this.transceivers.push(t);
    return t;
  }
  channels: FakeDataChannel[] = [];
  ondatachannel: ((event: { channel: FakeDataChannel }) => void) | null = null;
  createDataChannel(label: string, init: RTCDataChannelInit) {
    const channel = new FakeDataChannel(label, init);
    this.channels.push(channel);
    return channel;
  }
  configuration: RTCConfiguration | null = null;
  signalingState = 'stable';
  /** How often ICE was restarted; the offer says which generation it is. */
  restarts = 0;
  #restarting = false;
  restartIce() {
    this.#restarting = true;
  }
  setConfiguration(c: RTCConfiguration) {
    if (this.localDescription && !this.#restarting) throw new Error('too late for this gathering');
    this.configuration = c;
  }
  createOffer() {
    if (this.#restarting) this.restarts += 1;
    return Promise.resolve({ type: 'offer', sdp: this.restarts ? `offer ${this.restarts}` : 'offer' });
  }
  setLocalDescription(d: { sdp: string }) {
    this.transceivers.forEach((t, i) => (t.mid = String(i)));
    this.localDescription = d;
    this.#restarting = false;
    this.signalingState = 'have-local-offer';
    return Promise.resolve();
  }
  setRemoteDescription(d: { sdp: string }) {
    this.remote.push(d.sdp);
    this.signalingState = 'stable';
    return Promise.resolve();
  }
  /** Bytes that arrived; null: the browser reports no path. */
  arrived: number | null = null;
  getStats() {
    const path = { id: 'T', type: 'transport', bytesReceived: this.arrived };
    return Promise.resolve(new Map(this.arrived === null ? [] : [['T', path]]));
  }
  setState(state: string) {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
  setIce(state: string) {
    this.iceConnectionState = state;
    this.oniceconnectionstatechange?.();
  }
  close() {
    this.closed = true;
  }
  static get asClass() {
    return FakePeerConnection as unknown as new (config?: RTCConfiguration) => RTCPeerConnection;
  }
}

/** getUserMedia and getDisplayMedia of fake tracks. */
export function fakeMediaDevices() {
  const made: FakeTrack[] = [];
  const stream = (...tracks: FakeTrack[]) => {
    made.push(...tracks);
    return { getTracks: () => tracks, getAudioTracks: () => tracks.filter((t) => t.kind === 'audio'), getVideoTracks: () => tracks.filter((t) => t.kind === 'video') };
  };
  const devices = {
    made,
    getUserMedia: (c: { audio?: unknown; video?: unknown }) =>
      Promise.resolve(stream(...(c.audio ? [new FakeTrack('audio', 'mic')] : []), ...(c.video ? [new FakeTrack('video', 'cam')] : []))),
    getDisplayMedia: () => Promise.resolve(stream(new FakeTrack('video', 'screen'), new FakeTrack('audio', 'screen-audio'))),
  };
  return devices as typeof devices & MediaDevices;
}

export const person = (id: string, more: Partial<WireParticipant> = {}): WireParticipant => ({
  id,
  name: id,
  kind: 'guest',
  role: 'member',
  hand: false,
  connected: true,
  tracks: [],
  ...more,
});
