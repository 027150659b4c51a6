// The small pure parts.
// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { backoffDelay } from '../src/backoff.js';
import { remedyForClose, remedyForClosing } from '../src/connector.js';
import { levelOf } from '../src/level.js';
import { chooseCodecs } from '../src/peer.js';
import { barsOf, barsOfScore, lossBetween } from '../src/quality.js';
import { inboundByMid, SlotBaselines } from '../src/stats.js';
import { Timeline } from '../src/timeline.js';
import { MAX_VIEW_ENTRIES, normaliseView, ViewDebouncer } from '../src/view.js';
import { cameraLayers, layeringOf, videoEncodings } from '../src/layers.js';
import type { ViewEntry } from '../src/protocol.js';
import { FakePeerConnection } from './fakes.js';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const entry = (participant: string, width = 640, height = 360): ViewEntry => ({ participant, source: 'camera', width, height });

describe('view', () => {
  it('is rounded, without duplicates, and at most 64 long', () => {
    expect(normaliseView([entry('a', 631.5, 355), entry('a', 10, 10), entry('b', 0, NaN)])).toEqual([entry('a', 640, 368), entry('b', 16, 16)]);
    expect(normaliseView(Array.from({ length: 100 }, (_, i) => entry(`p${i}`)))).toHaveLength(MAX_VIEW_ENTRIES);
  });

  it('is sent once after it has been quiet, and not again when nothing changed', () => {
    const sent: number[] = [];
    const view = new ViewDebouncer((v) => sent.push(v.length), 100);
    view.set([entry('a')]);
    vi.advanceTimersByTime(60);
    view.set([entry('a'), entry('b')]);
    vi.advanceTimersByTime(60);
    expect(sent).toEqual([]);
    vi.advanceTimersByTime(40);
    expect(sent).toEqual([2]);
    view.set([entry('a'), entry('b', 641, 361)]);
    vi.advanceTimersByTime(100);
    expect(sent).toEqual([2, 2]);
    view.set([entry('a'), entry('b', 650, 365)]);
    vi.advanceTimersByTime(100);
    expect(sent).toEqual([2, 2]);
  });
});

describe('backoff', () => {
  it('doubles up to a maximum, with jitter of up to half', () => {
    const at = (attempt: number, random: number) => backoffDelay(attempt, { baseMs: 100, maxMs: 1000, random: () => random });
    expect([0, 1, 2, 3, 4, 50].map((n) => at(n, 1))).toEqual([100, 200, 400, 800, 1000, 1000]);
    expect(at(2, 0)).toBe(200);
  });
});

describe('what to do when a socket ends', () => {
  it.each([
    [1001, { do: 'resume', immediately: true }],
    [1006, { do: 'resume', immediately: true }],
    [4401, { do: 'rejoin' }],
    [4403, { do: 'close', reason: 'removed' }],
    [4409, { do: 'close', reason: 'replaced' }],
    [4410, { do: 'rejoin' }],
    [4429, { do: 'resume', immediately: false }],
  ])('%i', (code, remedy) => expect(remedyForClose(code)).toEqual(remedy));

  it('follows the reason of closing', () => {
    expect(remedyForClosing('draining')).toEqual({ do: 'resume', immediately: true });
    expect(remedyForClosing('media-lost')).toEqual({ do: 'rejoin' });
    expect(remedyForClosing('removed')).toEqual({ do: 'close', reason: 'removed' });
  });
});

describe('quality', () => {
  it('falls with round trip time, loss and frames', () => {
    expect(barsOf({ rtt: 0.02, loss: 0 })).toBe(4);
    expect(barsOf({ rtt: 0.2, loss: 0 })).toBe(3);
    expect(barsOf({ rtt: 0.02, loss: 0.08 })).toBe(2);
    expect(barsOf({ rtt: 0.02, loss: 0.3 })).toBe(1);
    expect(barsOf({ rtt: null, loss: null, fps: 0 })).toBe(1);
    expect(barsOf({ rtt: null, loss: null, fps: 30 })).toBe(4);
  });

  it('computes the loss of an interval', () => {
    expect(lossBetween({ received: 0, lost: 0 }, { received: 90, lost: 10 })).toBeCloseTo(0.1);
    expect(lossBetween({ received: 5, lost: 0 }, { received: 5, lost: 0 })).toBeNull();
  });
});

describe('statistics', () => {
  it('count per participant from when they took the slot', () => {
    const reports = (framesDecoded: number) =>
      inboundByMid(new Map([['a', { id: 'a', type: 'inbound-rtp', mid: '8', framesDecoded, totalAudioEnergy: 0 }]]));
    const base = new SlotBaselines();
    base.update([{ mid: '8', kind: 'video', participant: 'p_a', source: 'camera' }], reports(0));
    expect(base.relative(reports(50).get('8')!).framesDecoded).toBe(50);
    base.update([{ mid: '8', kind: 'video', participant: 'p_b', source: 'camera' }], reports(60));
    expect(base.relative(reports(65).get('8')!).framesDecoded).toBe(5);
  });
});

describe('join timeline', () => {
  it('keeps the first time of each step, relative to the click', () => {
    let now = 100;
    const timeline = new Timeline(() => now);
    timeline.begin(90);
    timeline.mark('ws');
    now = 120;
    expect(timeline.mark('joined')).toBe(true);
    now = 130;
    expect(timeline.mark('joined')).toBe(false);
    expect(timeline.steps).toEqual({ click: 0, ws: 10, joined: 30 });
  });
});

describe('codecs', () => {
  it('takes one profile each in the wanted order, and retransmission', () => {
    const codec = (mimeType: string, sdpFmtpLine?: string) => ({ mimeType, sdpFmtpLine, clockRate: 90000 });
    const have = [
      codec('video/H264', 'level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f'),
      codec('video/rtx'),
      codec('video/H264', 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f'),
      codec('video/VP9', 'profile-id=2'),
      codec('video/VP9', 'profile-id=0'),
      codec('video/VP8'),
    ];
    expect(chooseCodecs(have, ['VP8', 'VP9', 'H264', 'AV1'])).toEqual([have[5], have[4], have[2], have[1]]);
    expect(chooseCodecs([codec('video/AV1')], ['VP8'])).toEqual([]);
    const firefox = [codec('video/VP9', 'max-fs=12288;max-fr=60')];
    expect(chooseCodecs(firefox, ['VP9'])).toEqual(firefox);
  });

  it('sends sound redundantly unless told otherwise, and takes both kinds', async () => {
    const audio = { codecs: ['audio/opus', 'audio/red'].map((mimeType) => ({ mimeType, clockRate: 48000 })) };
    const capable = { getCapabilities: (kind: string) => (kind === 'audio' ? audio : null) };
    vi.stubGlobal('RTCRtpSender', capable);
    vi.stubGlobal('RTCRtpReceiver', capable);
    vi.resetModules();
    const { Peer } = await import('../src/peer.js');
    const ordersOf = (redundantAudio?: boolean) => {
      const orders: Record<string, string[]> = {};
      class Connection extends FakePeerConnection {
        override addTransceiver(kind: 'audio' | 'video', init: RTCRtpTransceiverInit) {
          const setCodecPreferences = (codecs: { mimeType: string }[]) => (orders[`${kind} ${init.direction}`] = codecs.map((c) => c.mimeType));
          return { ...super.addTransceiver(kind, init), setCodecPreferences };
        }
      }
      new Peer({ RTCPeerConnection: Connection as never, ...(redundantAudio === undefined ? {} : { redundantAudio }) });
      return orders;
    };
    expect(ordersOf()).toEqual({ 'audio sendonly': ['audio/red', 'audio/opus'], 'audio recvonly': ['audio/opus', 'audio/red'] });
    expect(ordersOf(true)).toEqual(ordersOf());
    expect(ordersOf(false)).toEqual({ 'audio sendonly': ['audio/opus', 'audio/red'], 'audio recvonly': ['audio/opus', 'audio/red'] });
    vi.unstubAllGlobals();
  });
});

describe('a score of the server', () => {
  it('has bars', () => expect([0, 0.4, 1, 2, 3, 4, 5].map(barsOfScore)).toEqual([0, 1, 1, 1, 2, 3, 4]));
});

describe('level', () => {
  it('is 0 for silence, 1 for loud, between for speech', () => {
    expect(levelOf(new Float32Array(256))).toBe(0);
    expect(levelOf(new Float32Array(256).fill(0.9))).toBe(1);
    const speech = levelOf(new Float32Array(256).fill(0.03));
    expect(speech).toBeGreaterThan(0.4);
    expect(speech).toBeLessThan(0.8);
  });
});

describe('the layers of a camera', () => {
  const sizes = (lines: number) => cameraLayers(lines).filter((l) => l.active).map((l) => lines / l.scaleResolutionDownBy!);
  it('are three of a large picture', () => expect(sizes(720)).toEqual([180, 360, 720]));
  it('are fewer of a smaller one, and the largest is the whole picture', () => {
    expect(sizes(360)).toEqual([180, 360]);
    expect(sizes(180)).toEqual([180]);
  });
  it('above what anybody watches are not sent', () => {
    const sent = (watched: number) => cameraLayers(720, undefined, watched).map((l) => l.active);
    expect([2, 1, 0, -1].map(sent)).toEqual([
      [true, true, true],
      [true, true, false],
      [true, false, false],
      [false, false, false],
    ]);
  });
});

describe('a scalable camera', () => {
  const of = (lines: number, watched = 2) => {
    const [{ scalabilityMode, scaleResolutionDownBy, active }] = videoEncodings('camera', 'svc', lines, {}, watched) as [ReturnType<typeof videoEncodings>[number]];
    return { mode: scalabilityMode, top: lines / scaleResolutionDownBy!, active };
  };
  it('is what VP9 and AV1 send', () => {
    expect((['vp8', 'h264', 'vp9', 'av1'] as const).map((c) => layeringOf('camera', c))).toEqual(['simulcast', 'simulcast', 'svc', 'svc']);
    expect((['vp8', 'h264', 'vp9', 'av1'] as const).map((c) => layeringOf('screen', c))).toEqual(['single', 'single', 'svc', 'svc']);
  });
  it('has the layers that simulcast would have', () => {
    expect([720, 360, 180].map((lines) => of(lines).mode)).toEqual(['L3T3_KEY', 'L2T3_KEY', 'L1T3']);
  });
  it('without those that nobody watches keeps the size of the others', () => {
    expect(of(720, 1)).toEqual({ mode: 'L2T3_KEY', top: 360, active: true });
    expect(of(720, 0)).toEqual({ mode: 'L1T3', top: 180, active: true });
    expect(of(720, -1).active).toBe(false);
    expect(of(720, 2)).toEqual({ mode: 'L3T3_KEY', top: 720, active: true });
  });
  it('is not what a screen is: text that is scaled down cannot be read', () => {
    expect(videoEncodings('screen', 'svc', 1080, {}, 0)).toEqual([{ active: true, scalabilityMode: 'L1T3', scaleResolutionDownBy: 1, maxBitrate: 2_500_000 }]);
  });
});
