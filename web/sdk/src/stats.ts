// Reads getStats() into what people and tests ask: who do I decode, how well, what do I send, over which path.
// SPDX-License-Identifier: Apache-2.0
import type { JoinTimeline } from './timeline.js';
import type { Source, WireSlot } from './protocol.js';

export interface InboundStats {
  mid: string;
  packetsReceived: number;
  packetsLost: number;
  bytesReceived: number;
  /** seconds */
  jitter: number;
  /** Since this participant took the slot. */
  framesDecoded: number;
  keyFramesDecoded: number;
  framesPerSecond: number;
  frameWidth: number;
  frameHeight: number;
  freezeCount: number;
  nackCount: number;
  pliCount: number;
  /** Since this participant took the slot; RFC-free unit of the W3C: seconds of full-scale audio squared. */
  totalAudioEnergy: number;
  audioLevel: number;
  /** such as video/VP8 */
  codec: string | null;
}

export interface OutboundStats {
  rid: string | null;
  active: boolean;
  packetsSent: number;
  bytesSent: number;
  framesEncoded: number;
  framesPerSecond: number;
  frameWidth: number;
  frameHeight: number;
  nackCount: number;
  pliCount: number;
  codec: string | null;
  /** W3C webrtc-svc, such as L3T3_KEY; null: one layer, or a browser that does not say */
  scalabilityMode: string | null;
  limited: string | null;
}

export interface TransportStats {
  /** seconds */
  rtt: number | null;
  availableOutgoingBitrate: number | null;
  bytesSent: number;
  bytesReceived: number;
  ice: string;
  dtls: string | null;
  srtp: string | null;
  /** udp or tcp; host, srflx, relay */
  localCandidate: string | null;
  remoteCandidate: string | null;
}

export interface ParticipantStats {
  name: string;
  tracks: Partial<Record<Source, InboundStats>>;
}

export interface RoomStats {
  /** Must equal the number of joins: nothing that others do causes one. */
  setRemoteDescriptionCalls: number;
  joins: number;
  resumes: number;
  timeline: JoinTimeline;
  /** ms, WebSocket ping */
  signalingRtt: number | null;
  signald: string | null;
  node: string | null;
  transport: TransportStats;
  participants: Record<string, ParticipantStats>;
  sent: Partial<Record<Source, OutboundStats[]>>;
}

type Report = Record<string, unknown> & { id: string; type: string };

const num = (r: Report | undefined, key: string): number => (typeof r?.[key] === 'number' ? (r[key] as number) : 0);
const orNull = (r: Report | undefined, key: string): number | null => (typeof r?.[key] === 'number' ? (r[key] as number) : null);
const str = (r: Report | undefined, key: string): string | null => (typeof r?.[key] === 'string' ? (r[key] as string) : null);

export function reportsOf(stats: RTCStatsReport): Map<string, Report> {
  const map = new Map<string, Report>();
  stats.forEach((value: Report) => map.set(value.id, value));
  return map;
}

/** Inbound streams by mid; of two (a slot whose SSRC changed) the one with more packets. */
export function inboundByMid(reports: Map<string, Report>): Map<string, InboundStats> {
  const out = new Map<string, InboundStats>();
  for (const r of reports.values()) {
    const mid = str(r, 'mid');
    if (r.type !== 'inbound-rtp' || mid === null) continue;
    const known = out.get(mid);
    if (known && known.packetsReceived > num(r, 'packetsReceived')) continue;
    out.set(mid, {
      mid,
      packetsReceived: num(r, 'packetsReceived'),
      packetsLost: num(r, 'packetsLost'),
      bytesReceived: num(r, 'bytesReceived'),
      jitter: num(r, 'jitter'),
      framesDecoded: num(r, 'framesDecoded'),
      keyFramesDecoded: num(r, 'keyFramesDecoded'),
      framesPerSecond: num(r, 'framesPerSecond'),
      frameWidth: num(r, 'frameWidth'),
      frameHeight: num(r, 'frameHeight'),
      freezeCount: num(r, 'freezeCount'),
      nackCount: num(r, 'nackCount'),
      pliCount: num(r, 'pliCount'),
      totalAudioEnergy: num(r, 'totalAudioEnergy'),
      audioLevel: num(r, 'audioLevel'),
      codec: str(reports.get(str(r, 'codecId') ?? ''), 'mimeType'),
    });
  }
  return out;
}

export function outboundBySource(reports: Map<string, Report>, sourceOfMid: (mid: string) => Source | null): Partial<Record<Source, OutboundStats[]>> {
  const out: Partial<Record<Source, OutboundStats[]>> = {};
  for (const r of reports.values()) {
    const mid = str(r, 'mid');
    if (r.type !== 'outbound-rtp' || mid === null) continue;
    const source = sourceOfMid(mid);
    if (!source) continue;
    const codec = reports.get(str(r, 'codecId') ?? '');
    (out[source] ??= []).push({
      rid: str(r, 'rid'),
      active: r['active'] !== false,
      packetsSent: num(r, 'packetsSent'),
      bytesSent: num(r, 'bytesSent'),
      framesEncoded: num(r, 'framesEncoded'),
      framesPerSecond: num(r, 'framesPerSecond'),
      frameWidth: num(r, 'frameWidth'),
      frameHeight: num(r, 'frameHeight'),
      nackCount: num(r, 'nackCount'),
      pliCount: num(r, 'pliCount'),
      codec: str(codec, 'mimeType'),
      scalabilityMode: str(r, 'scalabilityMode'),
      limited: str(r, 'qualityLimitationReason'),
    });
  }
  for (const list of Object.values(out)) list.sort((a, b) => a.frameWidth - b.frameWidth);
  return out;
}

export function transportOf(reports: Map<string, Report>, ice: string): TransportStats {
  let transport: Report | undefined;
  let pair: Report | undefined;
  for (const r of reports.values()) {
    if (r.type === 'transport') transport = r;
    // Firefox has no transport report but marks the pair.
    if (r.type === 'candidate-pair' && (r['selected'] === true || (r['nominated'] === true && r['state'] === 'succeeded'))) pair ??= r;
  }
  pair = reports.get(str(transport, 'selectedCandidatePairId') ?? '') ?? pair;
  const candidate = (key: string) => {
    const c = reports.get(str(pair, key) ?? '');
    return c ? `${str(c, 'protocol') ?? '?'} ${str(c, 'candidateType') ?? '?'}` : null;
  };
  return {
    rtt: orNull(pair, 'currentRoundTripTime'),
    availableOutgoingBitrate: orNull(pair, 'availableOutgoingBitrate'),
    bytesSent: num(pair, 'bytesSent'),
    bytesReceived: num(pair, 'bytesReceived'),
    ice,
    dtls: str(transport, 'dtlsState'),
    srtp: str(transport, 'srtpCipher'),
    localCandidate: candidate('localCandidateId'),
    remoteCandidate: candidate('remoteCandidateId'),
  };
}

/** Everything that arrived, in no unit: it rises as long as the path lives. Null when the browser reports no path. */
export function arrivedOf(reports: Map<string, Report>): number | null {
  let sum: number | null = null;
  for (const r of reports.values()) {
    if (r.type === 'transport') sum = (sum ?? 0) + num(r, 'bytesReceived');
    if (r.type === 'candidate-pair') sum = (sum ?? 0) + num(r, 'bytesReceived') + num(r, 'responsesReceived') + num(r, 'requestsReceived');
  }
  return sum;
}

/** Loss as the server reported it for what we send, 0..1: the worst of our streams. */
export function remoteLoss(reports: Map<string, Report>): number | null {
  let worst: number | null = null;
  for (const r of reports.values()) {
    if (r.type !== 'remote-inbound-rtp') continue;
    const loss = orNull(r, 'fractionLost');
    if (loss !== null) worst = Math.max(worst ?? 0, loss);
  }
  return worst;
}

/** Counters of a slot at the moment its participant changed, so that figures can be given per participant. */
export class SlotBaselines {
  readonly #base = new Map<string, { owner: string; framesDecoded: number; totalAudioEnergy: number }>();

  /** Call it when the mapping changed, with counters read right then. */
  update(slots: readonly WireSlot[], inbound: Map<string, InboundStats>): void {
    for (const slot of slots) {
      const owner = slot.participant ? `${slot.participant} ${slot.source}` : '';
      if (this.#base.get(slot.mid)?.owner === owner) continue;
      const now = inbound.get(slot.mid);
      this.#base.set(slot.mid, { owner, framesDecoded: now?.framesDecoded ?? 0, totalAudioEnergy: now?.totalAudioEnergy ?? 0 });
    }
  }

  relative(stats: InboundStats): InboundStats {
    const base = this.#base.get(stats.mid);
    if (!base) return stats;
    return {
      ...stats,
      framesDecoded: Math.max(0, stats.framesDecoded - base.framesDecoded),
      totalAudioEnergy: Math.max(0, stats.totalAudioEnergy - base.totalAudioEnergy),
    };
  }

  clear(): void {
    this.#base.clear();
  }
}
