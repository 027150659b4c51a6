// One RTCPeerConnection with its fixed set of transceivers: one offer, one answer, replaceTrack from then on.
// SPDX-License-Identifier: Apache-2.0
import { DataChannels, type DataFailure, type DataMessage } from './data.js';
import { Emitter } from './emitter.js';
import { layeringOf, TOP_LAYER, videoEncodings, type Layering, type ScalableEncoding, type VideoCodec } from './layers.js';
import { SOURCES, kindOf, type MediaKind, type Source } from './protocol.js';

export interface PeerOptions {
  /** Receive slots. */
  audioSlots?: number;
  videoSlots?: number;
  iceServers?: RTCIceServer[];
  /** What is offered, in order of preference; what the browser lacks is skipped. Default: VP8, VP9, H.264, AV1. */
  videoCodecs?: string[];
  /**
   * What the camera is sent as: VP8 and H.264 by simulcast, VP9 and AV1 by scalable coding. Default: the first of
   * `videoCodecs`. A viewer whose browser cannot decode it sees nothing: all decode VP8.
   */
  cameraCodec?: VideoCodec;
  /** What a shared screen is sent as. Default: the first of `videoCodecs`. */
  screenCodec?: VideoCodec;
  /**
   * Whether each packet of sound repeats the one before it (RFC 2198): what is lost on the way to the server is heard all
   * the same, for some 32 kbit/s more. Default: true. False is for narrow networks that lose little.
   */
  redundantAudio?: boolean;
  /** Bits per second of the camera's layers q, h, f. */
  cameraBitrates?: [number, number, number];
  screenBitrate?: number;
  RTCPeerConnection?: new (config?: RTCConfiguration) => RTCPeerConnection;
}

export interface PeerEvents {
  ice: [RTCIceConnectionState];
  /** ICE and DTLS together. */
  state: [RTCPeerConnectionState];
  data: [DataMessage];
  'data-failed': [DataFailure];
}

export interface Offer {
  sdp: string;
  /** mid → source of each send m-line */
  sources: Record<string, Source>;
}

const CONFIGURATION: RTCConfiguration = { bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' };
const DEFAULT_CODECS = ['VP8', 'VP9', 'H264', 'AV1'];

interface Sending {
  transceiver: RTCRtpTransceiver;
  /** Null: audio. */
  layering: Layering | null;
  /** The highest layer that anybody watches; -1: nobody does. */
  watched: number;
  /** Changes of parameters come one after the other. */
  changing: Promise<void>;
}

export class Peer extends Emitter<PeerEvents> {
  readonly pc: RTCPeerConnection;
  readonly data: DataChannels;
  readonly #senders = new Map<Source, Sending>();
  readonly #slots: RTCRtpTransceiver[] = [];
  readonly #options: PeerOptions;
  #closed = false;
  /** How often setRemoteDescription ran: once per join and per ICE restart, whatever happens in the room. */
  remoteDescriptions = 0;

  constructor(options: PeerOptions = {}) {
    super();
    this.#options = options;
    const Connection = options.RTCPeerConnection ?? RTCPeerConnection;
    this.pc = new Connection({ ...CONFIGURATION, iceServers: options.iceServers ?? [] });
    this.pc.oniceconnectionstatechange = () => this.emit('ice', this.pc.iceConnectionState);
    this.pc.onconnectionstatechange = () => this.emit('state', this.pc.connectionState);
    this.data = new DataChannels(this.pc, {
      message: (message) => this.emit('data', message),
      failure: (failure) => this.emit('data-failed', failure),
    });
    for (const source of SOURCES) this.#senders.set(source, this.#addSender(source));
    for (let i = 0; i < (options.audioSlots ?? 4); i++) this.#slots.push(this.#addSlot('audio'));
    for (let i = 0; i < (options.videoSlots ?? 9); i++) this.#slots.push(this.#addSlot('video'));
  }

  #addSender(source: Source): Sending {
    const kind = kindOf(source);
    const codecs = this.#codecsFor(source);
    const codec = kind === 'video' ? firstCodec(codecs) : null;
    const layering = codec ? layeringOf(source, codec) : null;
    const sendEncodings = layering ? videoEncodings(source, layering, 720, this.#options) : [{}];
    const transceiver = this.pc.addTransceiver(kind, { direction: 'sendonly', sendEncodings });
    preferCodecs(transceiver, codecs);
    negotiateDescriptor(transceiver, kind);
    return { transceiver, layering, watched: TOP_LAYER, changing: Promise.resolve() };
  }

  #addSlot(kind: MediaKind): RTCRtpTransceiver {
    const transceiver = this.pc.addTransceiver(kind, { direction: 'recvonly' });
    preferCodecs(transceiver, chooseCodecs(capabilitiesOf(RECEIVER, kind), this.#wantedCodecs(kind)));
    negotiateDescriptor(transceiver, kind);
    return transceiver;
  }

  #wantedCodecs(kind: MediaKind): string[] {
    return kind === 'audio' ? ['opus', 'red'] : (this.#options.videoCodecs ?? DEFAULT_CODECS);
  }

  /** The chosen codec first; the others stay, for a server that refuses it. */
  #codecsFor(source: Source): Codec[] {
    const kind = kindOf(source);
    const chosen = source === 'camera' ? this.#options.cameraCodec : source === 'screen' ? this.#options.screenCodec : undefined;
    const isRedundant = kind === 'audio' && this.#options.redundantAudio !== false;
    const wanted = isRedundant ? ['red', 'opus'] : this.#wantedCodecs(kind);
    const ordered = chosen ? [chosen, ...wanted.filter((w) => w.toLowerCase() !== chosen)] : wanted;
    return chooseCodecs(sendableCodecs(kind), ordered);
  }

  /** `iceServers` may still be on their way while the offer is made; gathering waits for them. */
  async offer(iceServers?: Promise<RTCIceServer[] | undefined>): Promise<Offer> {
    const [offer, servers] = await Promise.all([this.pc.createOffer(), iceServers]);
    if (servers?.length) this.pc.setConfiguration({ ...CONFIGURATION, iceServers: servers });
    await this.pc.setLocalDescription(offer);
    return this.#described();
  }

  /** As `offer`, with new ICE credentials; `anew` false: the same offer again if it has not been answered. */
  async restartOffer(anew: boolean, iceServers?: Promise<RTCIceServer[] | undefined>): Promise<Offer> {
    if (!anew && this.pc.signalingState === 'have-local-offer') return this.#described();
    this.pc.restartIce();
    return this.offer(iceServers);
  }

  #described(): Offer {
    const sources: Record<string, Source> = {};
    for (const [source, { transceiver }] of this.#senders) if (transceiver.mid !== null) sources[transceiver.mid] = source;
    return { sdp: this.pc.localDescription!.sdp, sources };
  }

  async accept(sdp: string): Promise<void> {
    this.remoteDescriptions += 1;
    await this.pc.setRemoteDescription({ type: 'answer', sdp });
  }

  /** Sends `track` as `source` from now on, or nothing. No SDP moves. */
  async send(source: Source, track: MediaStreamTrack | null): Promise<void> {
    const { sender } = this.#senders.get(source)!.transceiver;
    if (this.#closed || sender.track === track) return;
    await sender.replaceTrack(track);
    await this.#fitLayers(source);
  }

  /** The highest layer of `source` that anybody watches, -1 for none: what is above need not be sent. */
  async setWatched(source: Source, layer: number): Promise<void> {
    const sending = this.#senders.get(source)!;
    if (sending.watched === layer) return;
    sending.watched = layer;
    await this.#fitLayers(source);
  }

  #fitLayers(source: Source): Promise<void> {
    const sending = this.#senders.get(source)!;
    const work = async () => {
      const { sender } = sending.transceiver;
      if (this.#closed || !sending.layering || !sender.track) return;
      const lines = sender.track.getSettings().height ?? 720;
      const layers = videoEncodings(source, sending.layering, lines, this.#options, sending.watched);
      const parameters = sender.getParameters();
      if (parameters.encodings.length !== layers.length) return; // no simulcast here
      parameters.encodings.forEach((encoding, i) => Object.assign(encoding, changeOf(encoding, layers[i]!)));
      await sender.setParameters(parameters);
    };
    const done = sending.changing.then(work);
    sending.changing = done.catch(() => undefined);
    return done;
  }

  /** The track of a receive slot. */
  slotTrack(mid: string): MediaStreamTrack | null {
    return this.#slots.find((t) => t.mid === mid)?.receiver.track ?? null;
  }

  get audioTracks(): MediaStreamTrack[] {
    return this.#slots.map((t) => t.receiver.track).filter((track) => track.kind === 'audio');
  }

  get videoSlots(): number {
    return this.#slots.filter((t) => t.receiver.track.kind === 'video').length;
  }

  /** mid → source of what we send, for statistics. */
  sourceOfMid(mid: string): Source | null {
    for (const [source, { transceiver }] of this.#senders) if (transceiver.mid === mid) return source;
    return null;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.data.close();
    this.pc.oniceconnectionstatechange = null;
    this.pc.onconnectionstatechange = null;
    this.pc.close();
  }
}

/** A browser without scalable coding does not know the mode: then it must not be told one. */
function changeOf(now: ScalableEncoding, wanted: ScalableEncoding): Partial<ScalableEncoding> {
  const { scalabilityMode, active, scaleResolutionDownBy, maxBitrate } = wanted;
  return {
    active: active ?? true,
    ...(scaleResolutionDownBy === undefined ? {} : { scaleResolutionDownBy }),
    ...(maxBitrate === undefined ? {} : { maxBitrate }),
    ...(scalabilityMode !== undefined && now.scalabilityMode !== undefined ? { scalabilityMode } : {}),
  };
}

const SENDER = typeof RTCRtpSender === 'undefined' ? undefined : RTCRtpSender;
const RECEIVER = typeof RTCRtpReceiver === 'undefined' ? undefined : RTCRtpReceiver;

type Capabilities = { getCapabilities?: (kind: string) => { codecs: Codec[] } | null } | undefined;
const capabilitiesOf = (of: Capabilities, kind: MediaKind): Codec[] => of?.getCapabilities?.(kind)?.codecs ?? [];

/** What the browser encodes, as its receiver calls it: setCodecPreferences() knows no others. */
function sendableCodecs(kind: MediaKind): Codec[] {
  const encoded = capabilitiesOf(SENDER, kind);
  const isEncoded = (c: Codec) => encoded.some((e) => e.mimeType === c.mimeType && e.sdpFmtpLine === c.sdpFmtpLine);
  return capabilitiesOf(RECEIVER, kind).filter(isEncoded);
}

/** What will be sent unless the server refuses it; VP8 where the browser does not say. */
function firstCodec(codecs: readonly Codec[]): VideoCodec {
  const name = codecs[0]?.mimeType.split('/')[1]?.toLowerCase();
  return name === 'vp9' || name === 'av1' || name === 'h264' ? name : 'vp8';
}

/** Keeps the offer small: Opus, one profile of each video codec, and retransmission. */
function preferCodecs(transceiver: RTCRtpTransceiver, chosen: Codec[]): void {
  if (!chosen.length || typeof transceiver.setCodecPreferences !== 'function') return;
  try {
    transceiver.setCodecPreferences(chosen as RTCRtpCodec[]);
  } catch {
    // The browser's own list works too, it is only longer.
  }
}

const DEPENDENCY_DESCRIPTOR = 'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension';

interface ExtensionControl {
  getHeaderExtensionsToNegotiate?(): { uri: string; direction: string }[];
  setHeaderExtensionsToNegotiate?(extensions: { uri: string; direction: string }[]): void;
}

/** The server finds layers in this header extension; some browsers offer it only if they are told to. */
function negotiateDescriptor(transceiver: RTCRtpTransceiver, kind: MediaKind): void {
  const control = transceiver as ExtensionControl;
  if (kind !== 'video' || !control.getHeaderExtensionsToNegotiate || !control.setHeaderExtensionsToNegotiate) return;
  const extensions = control.getHeaderExtensionsToNegotiate();
  const descriptor = extensions.find((x) => x.uri === DEPENDENCY_DESCRIPTOR);
  if (!descriptor || descriptor.direction !== 'stopped') return;
  descriptor.direction = 'sendrecv';
  try {
    control.setHeaderExtensionsToNegotiate(extensions);
  } catch {
    // Without it the server reads the payload.
  }
}

type Codec = { mimeType: string; sdpFmtpLine?: string; clockRate: number; channels?: number };

/** One entry per wanted codec, in that order, then RTX. Exported for tests. */
export function chooseCodecs<C extends Codec>(capabilities: readonly C[], wanted: readonly string[]): C[] {
  const subtype = (c: Codec) => c.mimeType.split('/')[1]?.toLowerCase() ?? '';
  // Other profiles of VP9 say so; Firefox's parameters say nothing of the profile.
  const fits: Record<string, RegExp> = {
    h264: /packetization-mode=1.*profile-level-id=42e0|profile-level-id=42e0.*packetization-mode=1/i,
    vp9: /^(?!.*profile-id=[1-9])/,
  };
  const chosen: C[] = [];
  for (const name of wanted.map((w) => w.toLowerCase())) {
    const candidates = capabilities.filter((c) => subtype(c) === name);
    const best = candidates.find((c) => fits[name]?.test(c.sdpFmtpLine ?? '') ?? true);
    if (best) chosen.push(best);
  }
  if (!chosen.length) return [];
  const rtx = capabilities.find((c) => subtype(c) === 'rtx');
  return rtx ? [...chosen, rtx] : chosen;
}
