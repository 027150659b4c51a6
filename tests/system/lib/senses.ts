// Eyes and ears of a page: what its decoders put on the screen and into the speaker, not what they count.
// SPDX-License-Identifier: Apache-2.0
import type { Caller } from './caller.js';

/** For CallerOptions.before: makes the page's peer connections reachable, for their getStats(). */
export function keepPeerConnections(): void {
  const all: RTCPeerConnection[] = [];
  Object.assign(window, { peerConnections: all });
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      all.push(this);
    }
  };
}

export interface Decoded {
  /** e.g. video/VP8 */
  codec: string;
  framesDecoded: number;
  width: number;
  height: number;
}

/** What decodes the camera of somebody, by the codec's own account. */
export async function decoderOf(viewer: Caller, name: string): Promise<Decoded | undefined> {
  const mid = (await viewer.sees(name)).camera?.mid;
  if (mid === undefined) return undefined;
  return viewer.page.evaluate(async (wanted) => {
    const all = (window as unknown as { peerConnections: RTCPeerConnection[] }).peerConnections;
    const reports = new Map<string, Record<string, unknown>>();
    (await all.at(-1)!.getStats()).forEach((r) => reports.set(r.id, r));
    for (const r of reports.values()) {
      if (r.type !== 'inbound-rtp' || r.mid !== wanted) continue;
      const codec = reports.get(r.codecId as string);
      return {
        codec: String(codec?.mimeType),
        framesDecoded: Number(r.framesDecoded),
        width: Number(r.frameWidth ?? 0),
        height: Number(r.frameHeight ?? 0),
      };
    }
    return undefined;
  }, mid);
}

export interface Glance {
  width: number;
  height: number;
  /** Of the middle of the picture, degrees; saturation and brightness from 0 to 1. */
  hue: number;
  saturation: number;
  brightness: number;
  /** How much the pixels differ from each other: 0 is one colour all over. */
  deviation: number;
}

/** Draws the <video> of somebody's tile to a canvas, `count` times. */
export function glances(viewer: Caller, name: string, count: number, everyMs: number): Promise<Glance[]> {
  const selector = `[data-testid="tile"][data-source="camera"][data-name="${name}"] video`;
  return viewer.page.evaluate(
    async ({ selector, count, everyMs }) => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 36 });
      const context = canvas.getContext('2d', { willReadFrequently: true })!;
      const look = (video: HTMLVideoElement) => {
        context.drawImage(video, 0, 0, 64, 36);
        const { data } = context.getImageData(0, 0, 64, 36);
        const middle = [0, 0, 0];
        let sum = 0;
        let squares = 0;
        for (let i = 0; i < data.length; i += 4) {
          const x = (i / 4) % 64;
          const y = Math.floor(i / 4 / 64);
          const grey = (data[i]! + data[i + 1]! + data[i + 2]!) / 3;
          sum += grey;
          squares += grey * grey;
          if (x >= 29 && x < 35 && y >= 16 && y < 20) for (const c of [0, 1, 2]) middle[c]! += data[i + c]! / 24 / 255;
        }
        const pixels = data.length / 4;
        const [r, g, b] = middle as [number, number, number];
        const most = Math.max(r, g, b);
        const span = most - Math.min(r, g, b);
        const sector = span === 0 ? 0 : most === r ? (g - b) / span : most === g ? 2 + (b - r) / span : 4 + (r - g) / span;
        return {
          width: video.videoWidth,
          height: video.videoHeight,
          hue: (sector * 60 + 360) % 360,
          saturation: most === 0 ? 0 : span / most,
          brightness: most,
          deviation: Math.sqrt(Math.max(0, squares / pixels - (sum / pixels) ** 2)),
        };
      };
      const all = [];
      for (let n = 0; n < count; n += 1) {
        const video = document.querySelector<HTMLVideoElement>(selector);
        if (video) all.push(look(video));
        await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
      return all;
    },
    { selector, count, everyMs },
  );
}

export interface Tone {
  hz: number;
  /** dB of the strongest bin over the median of all. */
  prominence: number;
}

/** The strongest frequency in what the page plays of somebody; undefined: nothing is there to listen to. */
export function toneOf(listener: Caller, name: string): Promise<Tone | undefined> {
  return listener.page.evaluate(async (wanted) => {
    const { room } = window.conclave;
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    const participant: any = [...room.participants.values()].find((p: { name: string }) => p.name === wanted);
    const track: MediaStreamTrack | null = participant?.tracks.microphone?.mediaStreamTrack ?? null;
    if (!track) return undefined;
    const context = new AudioContext({ sampleRate: 48000 });
    await context.resume();
    const analyser = new AnalyserNode(context, { fftSize: 16384, smoothingTimeConstant: 0 });
    const source = context.createMediaStreamSource(new MediaStream([track]));
    source.connect(analyser);
    await new Promise((resolve) => setTimeout(resolve, 600)); // more than one window of 341 ms
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    await context.close();
    let best = 0;
    bins.forEach((level, i) => (best = level > bins[best]! ? i : best));
    const median = Float32Array.from(bins).sort()[bins.length >> 1]!;
    return { hz: (best * 48000) / 16384, prominence: Math.max(bins[best]!, -200) - Math.max(median, -200) };
  }, name);
}

/** Asks for somebody's camera in so many lines; the layout of the app does not ask any more, until askAgain(). */
export function askFor(viewer: Caller, name: string, height: number): Promise<void> {
  return viewer.page.evaluate(
    ({ name, height }) => {
      const { room } = window.conclave;
      room.setView = () => undefined;
      const { id } = [...room.participants.values()].find((p: { name: string }) => p.name === name);
      Object.getPrototypeOf(room).setView.call(room, [{ participant: id, source: 'camera', width: Math.round((height * 16) / 9), height }]);
    },
    { name, height },
  );
}

/** Nobody's video; the layout of the app does not ask any more, until askAgain(). */
export function askForNothing(viewer: Caller): Promise<void> {
  return viewer.page.evaluate(() => {
    const { room } = window.conclave;
    room.setView = () => undefined;
    Object.getPrototypeOf(room).setView.call(room, []);
  });
}

/** The layout of the app asks again for what it shows. */
export function askAgain(viewer: Caller): Promise<void> {
  return viewer.page.evaluate(() => void delete window.conclave.room.setView);
}

export interface MediaLine {
  direction: string;
  /** Encoding names in the order of the m-line. */
  codecs: string[];
  /** The dependency descriptor is among its header extensions. */
  descriptor: boolean;
}

/** What was agreed on, line by line, as the answer says it. */
export async function typesOfOffer(caller: Caller): Promise<{ camera: MediaLine; audio: MediaLine; slots: MediaLine[] }> {
  const sdp = await caller.page.evaluate(() => window.conclave.room.peerConnection.remoteDescription.sdp as string);
  const lines = sdp.split(/^m=/m).slice(1);
  const read = (text: string): MediaLine => {
    const types = /^\S+ \S+ \S+ (.*)/.exec(text)![1]!.trim().split(' ');
    return {
      direction: /^a=(sendonly|recvonly|inactive|sendrecv)/m.exec(text)![1]!,
      codecs: [...new Set(types.map((t) => new RegExp(`^a=rtpmap:${t} ([^/]+)`, 'm').exec(text)![1]!))],
      descriptor: text.includes('dependency-descriptor-rtp-header-extension'),
    };
  };
  const videos = lines.filter((l) => l.startsWith('video')).map(read);
  return {
    camera: videos.find((v) => v.direction === 'recvonly')!,
    audio: read(lines.filter((l) => l.startsWith('audio')).at(-1)!),
    slots: videos.filter((v) => v.direction === 'sendonly'),
  };
}

/** An inbound-rtp record of W3C webrtc-stats, as far as these tests look at it. What a browser does not say is 0. */
export interface Inbound {
  mid: string;
  kind: 'audio' | 'video';
  packetsReceived: number;
  packetsLost: number;
  nackCount: number;
  pliCount: number;
  framesDecoded: number;
  framesDropped: number;
  frameHeight: number;
  freezeCount: number;
  /** seconds */
  totalFreezesDuration: number;
  totalSamplesReceived: number;
  concealedSamples: number;
  silentConcealedSamples: number;
  retransmittedPacketsReceived: number;
}

/** Of every slot that anything came in. */
export function inboundOf(viewer: Caller): Promise<Inbound[]> {
  return viewer.page.evaluate(async () => {
    const keys = [
      'packetsReceived', 'packetsLost', 'nackCount', 'pliCount', 'framesDecoded', 'framesDropped', 'frameHeight', 'freezeCount', 'totalFreezesDuration',
      'totalSamplesReceived', 'concealedSamples', 'silentConcealedSamples', 'retransmittedPacketsReceived',
    ];
    const all: Record<string, unknown>[] = [];
    ((await window.conclave.room.peerConnection.getStats()) as RTCStatsReport).forEach((r: Record<string, unknown>) => {
      if (r.type !== 'inbound-rtp') return;
      all.push({ mid: r.mid, kind: r.kind, ...Object.fromEntries(keys.map((key) => [key, Number(r[key] ?? 0)])) });
    });
    return all as unknown as Inbound[];
  });
}

/** Of the slot that shows or plays somebody's source. */
export async function inbound(viewer: Caller, name: string, source: 'camera' | 'microphone'): Promise<Inbound> {
  const mid = (await viewer.sees(name))[source]?.mid;
  const found = (await inboundOf(viewer)).find((s) => s.mid === mid);
  if (!found) throw new Error(`nothing of ${name}'s ${source} arrives`);
  return found;
}
