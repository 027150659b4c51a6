// One RTCPeerConnection with its fixed set of transceivers: one offer, one answer, replaceTrack from then on.
// SPDX-License-Identifier: Apache-2.0
import { Emitter } from './emitter.js';
import { SOURCES, kindOf, type MediaKind, type Source } from './protocol.js';

export interface PeerOptions {
  /** Receive slots. */
  audioSlots?: number;
  videoSlots?: number;
  iceServers?: RTCIceServer[];
  /** Order of preference; what the browser lacks is skipped. */
  videoCodecs?: string[];
  /** Bits per second of the camera's layers q, h, f. */
  cameraBitrates?: [number, number, number];
  screenBitrate?: number;
  RTCPeerConnection?: new (config?: RTCConfiguration) => RTCPeerConnection;
}

export interface PeerEvents {
  ice: [RTCIceConnectionState];
  /** ICE and DTLS together. */
  state: [RTCPeerConnectionState];
}

export interface Offer {
  sdp: string;
  /** mid → source of each send m-line */
  sources: Record<string, Source>;
}

const CONFIGURATION: RTCConfiguration = { bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' };
const DEFAULT_CODECS = ['VP8', 'VP9', 'H264', 'AV1'];

export class Peer extends Emitter<PeerEvents> {
  readonly pc: RTCPeerConnection;
  readonly #senders = new Map<Source, RTCRtpTransceiver>();
  readonly #slots: RTCRtpTransceiver[] = [];
  readonly #cameraBitrates: [number, number, number] | undefined;
  #closed = false;
  /** How often setRemoteDescription ran: once per join, whatever happens in the room. */
  remoteDescriptions = 0;

  constructor(options: PeerOptions = {}) {
    super();
    this.#cameraBitrates = options.cameraBitrates;
    const Connection = options.RTCPeerConnection ?? RTCPeerConnection;
    this.pc = new Connection({ ...CONFIGURATION, iceServers: options.iceServers ?? [] });
    this.pc.oniceconnectionstatechange = () => this.emit('ice', this.pc.iceConnectionState);
    this.pc.onconnectionstatechange = () => this.emit('state', this.pc.connectionState);
    for (const source of SOURCES) {
      this.#senders.set(source, this.#add(kindOf(source), { direction: 'sendonly', sendEncodings: encodingsFor(source, options) }, options));
    }
    for (let i = 0; i < (options.audioSlots ?? 4); i++) this.#slots.push(this.#add('audio', { direction: 'recvonly' }, options));
    for (let i = 0; i < (options.videoSlots ?? 9); i++) this.#slots.push(this.#add('video', { direction: 'recvonly' }, options));
  }

  #add(kind: MediaKind, init: RTCRtpTransceiverInit, options: PeerOptions): RTCRtpTransceiver {
    const transceiver = this.pc.addTransceiver(kind, init);
    preferCodecs(transceiver, kind, options.videoCodecs ?? DEFAULT_CODECS);
    return transceiver;
  }

  /** `iceServers` may still be on their way while the offer is made; gathering waits for them. */
  async offer(iceServers?: Promise<RTCIceServer[] | undefined>): Promise<Offer> {
    const [offer, servers] = await Promise.all([this.pc.createOffer(), iceServers]);
    if (servers?.length) this.pc.setConfiguration({ ...CONFIGURATION, iceServers: servers });
    await this.pc.setLocalDescription(offer);
    const sources: Record<string, Source> = {};
    for (const [source, transceiver] of this.#senders) if (transceiver.mid !== null) sources[transceiver.mid] = source;
    return { sdp: this.pc.localDescription!.sdp, sources };
  }

  async accept(sdp: string): Promise<void> {
    this.remoteDescriptions += 1;
    await this.pc.setRemoteDescription({ type: 'answer', sdp });
  }

  /** Sends `track` as `source` from now on, or nothing. No SDP moves. */
  async send(source: Source, track: MediaStreamTrack | null): Promise<void> {
    const sender = this.#senders.get(source)!.sender;
    if (this.#closed || sender.track === track) return;
    await sender.replaceTrack(track);
    if (source === 'camera' && track) await this.#fitLayers(sender, track);
  }

  async #fitLayers(sender: RTCRtpSender, track: MediaStreamTrack): Promise<void> {
    const parameters = sender.getParameters();
    const layers = cameraLayers(track.getSettings().height ?? 720, this.#cameraBitrates);
    if (parameters.encodings.length !== layers.length) return; // no simulcast here
    parameters.encodings.forEach((encoding, i) => {
      const { active, scaleResolutionDownBy } = layers[i]!;
      Object.assign(encoding, { active, scaleResolutionDownBy });
    });
    await sender.setParameters(parameters);
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
    for (const [source, transceiver] of this.#senders) if (transceiver.mid === mid) return source;
    return null;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.pc.oniceconnectionstatechange = null;
    this.pc.onconnectionstatechange = null;
    this.pc.close();
  }
}

const CAMERA_RIDS = ['q', 'h', 'f'];
const CAMERA_BITRATES = [150_000, 500_000, 1_700_000];

/**
 * The layers of a camera of so many lines, lowest first. Browsers encode fewer layers of small pictures, and give up the
 * largest first: so the largest that is left must be the whole picture.
 */
export function cameraLayers(lines: number, bitrates: readonly number[] = CAMERA_BITRATES): RTCRtpEncodingParameters[] {
  const count = lines >= 540 ? 3 : lines >= 270 ? 2 : 1;
  return CAMERA_RIDS.map((rid, i) => ({
    rid,
    active: i < count,
    scaleResolutionDownBy: 2 ** Math.max(0, count - 1 - i),
    maxBitrate: bitrates[i]!,
  }));
}

function encodingsFor(source: Source, options: PeerOptions): RTCRtpEncodingParameters[] {
  if (source === 'camera') return cameraLayers(720, options.cameraBitrates);
  if (source === 'screen') return [{ maxBitrate: options.screenBitrate ?? 2_500_000 }];
  return [{}];
}

/** Keeps the offer small: Opus, one profile of each video codec, and retransmission. */
function preferCodecs(transceiver: RTCRtpTransceiver, kind: MediaKind, video: string[]): void {
  if (typeof transceiver.setCodecPreferences !== 'function' || typeof RTCRtpReceiver === 'undefined') return;
  const capabilities = RTCRtpReceiver.getCapabilities?.(kind)?.codecs ?? [];
  const chosen = chooseCodecs(capabilities, kind === 'audio' ? ['opus'] : video);
  if (!chosen.length) return;
  try {
    transceiver.setCodecPreferences(chosen);
  } catch {
    // The browser's own list works too, it is only longer.
  }
}

type Codec = { mimeType: string; sdpFmtpLine?: string; clockRate: number; channels?: number };

/** One entry per wanted codec, in that order, then RTX. Exported for tests. */
export function chooseCodecs<C extends Codec>(capabilities: readonly C[], wanted: readonly string[]): C[] {
  const subtype = (c: Codec) => c.mimeType.split('/')[1]?.toLowerCase() ?? '';
  const fits: Record<string, RegExp> = { h264: /packetization-mode=1.*profile-level-id=42e0|profile-level-id=42e0.*packetization-mode=1/i, vp9: /profile-id=0|^$/ };
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
