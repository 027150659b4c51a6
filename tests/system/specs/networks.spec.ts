// What people see and hear on bad networks, measured by their own browsers. Figures are printed.
// SPDX-License-Identifier: Apache-2.0
import { type Browser, type BrowserContext, expect, test } from '@playwright/test';

import { launchChromium } from '../lib/browser.js';
import { Caller, percentile } from '../lib/caller.js';
import { clockCamera, flowOf, frameOf, takeFrames, watchClocks } from '../lib/clock.js';
import { freshRoom } from '../lib/cluster.js';
import { killRelays, readCapture, Relay, sequencesOf } from '../lib/relay.js';
import { askFor, inbound, inboundOf, type Inbound } from '../lib/senses.js';

/** The goal, asserted with CONCLAVE_GOALS=1 on a machine that does nothing else; without it, what holds on a busy one. */
const held = (goal: number, now: number) => (process.env['CONCLAVE_GOALS'] === '1' ? goal : now);

/** Pages that paint little leave the processor to the codecs. */
const SMALL = { width: 480, height: 360 };

const FEW_FRAMES = ['--use-fake-device-for-media-stream=fps=15'];

let browsers: Browser[] = [];
let callers: Caller[] = [];

test.beforeAll(async () => void (browsers = await Promise.all([launchChromium(FEW_FRAMES), launchChromium(FEW_FRAMES)])));
test.afterAll(() => Promise.all(browsers.map((b) => b.close())));
test.afterEach(async () => {
  await Promise.all(callers.map((c) => c.close()));
  callers = [];
  killRelays();
});

/** A camera with a clock; its microphone beeps. */
async function clock(room: string, name: string, number: number, lines = 360): Promise<Caller> {
  const prepare = (context: BrowserContext) => context.addInitScript(clockCamera, { number, lines });
  const caller = await Caller.join(room, name, { query: `res=${lines}`, browser: browsers[0]!, viewport: SMALL, prepare });
  callers.push(caller);
  return caller;
}

/** Watches, and sends nothing. */
async function viewer(room: string, name: string, relay?: Relay): Promise<Caller> {
  const caller = await Caller.join(room, name, { query: 'audio=0&video=0', browser: browsers[1]!, viewport: SMALL, ...(relay ? { prepare: (context) => relay.attach(context) } : {}) });
  callers.push(caller);
  return caller;
}

/** Between two looks at the statistics. */
const since = (before: Inbound, after: Inbound) => ({
  pli: after.pliCount - before.pliCount,
  nack: after.nackCount - before.nackCount,
  lost: after.packetsLost - before.packetsLost,
});

/** Of one slot, while pictures came in it: of one that has been empty for 3 s, a browser asks once for a keyframe. */
function changesWhileShown(looks: Inbound[][], mid: string) {
  const sum = { pli: 0, nack: 0, lost: 0 };
  const of = looks.map((list) => list.find((s) => s.mid === mid)!);
  for (let i = 1; i < of.length; i += 1) {
    const used = of[i]!.framesDecoded > of[Math.max(i - 5, 0)]!.framesDecoded;
    const change = since(of[i - 1]!, of[i]!);
    sum.pli += used ? change.pli : 0;
    sum.nack += change.nack;
    sum.lost += change.lost;
  }
  return sum;
}

test('100 layer switches: no old picture, no decoder error, no gap on the wire @once', async () => {
  test.setTimeout(300_000);
  const room = freshRoom('switches');
  const relay = await Relay.start({});
  await clock(room, 'Pat', 1);
  const vic = await viewer(room, 'Vic', relay);
  await vic.expectMediaOf('Pat');
  await askFor(vic, 'Pat', 360);
  await watchClocks(vic);
  await frameOf(vic.page, 1, 360, 20_000);
  await takeFrames(vic.page);
  const before = await inbound(vic, 'Pat', 'camera');
  const times: number[] = [];
  for (let i = 0; i < 100; i += 1) {
    const height = i % 2 === 0 ? 180 : 360;
    await askFor(vic, 'Pat', height);
    times.push(await frameOf(vic.page, 1, height));
  }
  const flow = flowOf(await takeFrames(vic.page));
  const change = since(before, await inbound(vic, 'Pat', 'camera'));
  await callers.splice(callers.indexOf(vic), 1)[0]!.close();
  const capture = sequencesOf(readCapture(relay.capture));
  await relay.stop();
  console.log(
    `100 layer switches: p50 ${percentile(times, 50).toFixed(0)} ms, p95 ${percentile(times, 95).toFixed(0)} ms from view to picture; ${flow.frames} frames, oldest ${flow.oldest} ms, ` +
      `longest gap ${flow.longestGap} ms, unreadable ${flow.unreadable}; PLI ${change.pli}, NACK ${change.nack}, lost ${change.lost}`,
  );
  for (const [ssrc, stream] of capture) expect(stream, `stream ${ssrc} of ${capture.size}`).toMatchObject({ missing: 0, twice: 0 });
  expect(flow.oldest).toBeLessThan(500);
  expect(change).toEqual({ pli: 0, nack: 0, lost: 0 });
  expect(flow.unreadable / flow.frames).toBeLessThan(0.01);
});

test('100 slot changes: no old picture, no decoder error, no gap on the wire @once', async () => {
  test.setTimeout(300_000);
  const room = freshRoom('slots');
  const relay = await Relay.start({});
  await clock(room, 'Pat', 1, 180);
  await clock(room, 'Quinn', 2, 180);
  const vic = await viewer(room, 'Vic', relay);
  for (const name of ['Pat', 'Quinn']) await vic.expectMediaOf(name);
  await watchClocks(vic);
  await askFor(vic, 'Pat', 180);
  await frameOf(vic.page, 1, 180, 20_000);
  await takeFrames(vic.page);
  const looks = [await inboundOf(vic)];
  const times: number[] = [];
  for (let i = 0; i < 100; i += 1) {
    const quinn = i % 2 === 0;
    await askFor(vic, quinn ? 'Quinn' : 'Pat', 180);
    times.push(await frameOf(vic.page, quinn ? 2 : 1, null));
    looks.push(await inboundOf(vic));
  }
  const frames = await takeFrames(vic.page);
  const flow = flowOf(frames);
  await callers.splice(callers.indexOf(vic), 1)[0]!.close();
  const capture = sequencesOf(readCapture(relay.capture));
  await relay.stop();
  const shown = [...new Set(frames.map((f) => f.mid))];
  const change = shown.map((mid) => changesWhileShown(looks, mid)).reduce((a, b) => ({ pli: a.pli + b.pli, nack: a.nack + b.nack, lost: a.lost + b.lost }));
  console.log(
    `100 slot changes: p50 ${percentile(times, 50).toFixed(0)} ms, p95 ${percentile(times, 95).toFixed(0)} ms from view to picture; ${flow.frames} frames in ${shown.length} slots, ` +
      `oldest ${flow.oldest} ms, longest gap ${flow.longestGap} ms, unreadable ${flow.unreadable}; PLI ${change.pli}, NACK ${change.nack}, lost ${change.lost}`,
  );
  for (const [ssrc, stream] of capture) expect(stream, `stream ${ssrc} of ${capture.size}`).toMatchObject({ missing: 0, twice: 0 });
  expect(flow.oldest).toBeLessThan(500);
  expect(change).toEqual({ pli: 0, nack: 0, lost: 0 });
  expect(flow.unreadable / flow.frames).toBeLessThan(0.01);
});

/** The height that is shown, frame by frame, is `wanted` from when on? ms after `from`; null: not at the end. */
function settledAt(frames: { at: number; height: number }[], from: number, wanted: (height: number) => boolean): number | null {
  let since: number | null = null;
  for (const f of frames) {
    if (f.at < from) continue;
    if (!wanted(f.height)) since = null;
    else since ??= f.at - from;
  }
  return since;
}

test('a viewer squeezed to 300 kbit/s is on a lower layer soon, and back soon after; others notice nothing @once', async () => {
  test.setTimeout(180_000);
  const room = freshRoom('squeeze');
  const relay = await Relay.start({ down: { delay_ms: 20 }, up: { delay_ms: 20 } });
  await clock(room, 'Pat', 1);
  const vic = await viewer(room, 'Vic', relay);
  const free = await viewer(room, 'Free');
  for (const caller of [vic, free]) {
    await caller.expectMediaOf('Pat');
    await askFor(caller, 'Pat', 360);
    await watchClocks(caller);
    await frameOf(caller.page, 1, 360, 30_000);
  }
  await vic.page.waitForTimeout(5_000); // the estimate settles, and the figures before are of a quiet call
  const calm = await Promise.all([vic, free].map((c) => takeFrames(c.page)));

  const squeezed = Date.now();
  await relay.set({ down: { delay_ms: 20, rate_bps: 300_000, queue_ms: 300 }, up: { delay_ms: 20 } });
  await vic.page.waitForTimeout(12_000);
  const during = await Promise.all([vic, free].map((c) => takeFrames(c.page)));
  const released = Date.now();
  await relay.set({ down: { delay_ms: 20 }, up: { delay_ms: 20 } });
  await vic.page.waitForTimeout(13_000);
  const after = await Promise.all([vic, free].map((c) => takeFrames(c.page)));

  const down = settledAt(during[0]!, squeezed, (height) => height < 360);
  const up = settledAt(after[0]!, released, (height) => height === 360);
  const [vicFlow, freeFlow] = [0, 1].map((i) => flowOf([...during[i]!, ...after[i]!])) as [ReturnType<typeof flowOf>, ReturnType<typeof flowOf>];
  const freeBefore = flowOf(calm[1]!);
  const freeHeights = [...new Set([...during[1]!, ...after[1]!].map((f) => f.height))];
  await relay.stop();
  console.log(
    `squeezed to 300 kbit/s: on the lower layer after ${down} ms, back ${up} ms after the release; longest gap ${vicFlow.longestGap} ms, oldest picture ${vicFlow.oldest} ms; ` +
      `the other viewer: layers ${freeHeights.join(', ')}, longest gap ${freeFlow.longestGap} ms (before: ${freeBefore.longestGap} ms)`,
  );
  expect(down ?? Infinity).toBeLessThan(3_000);
  expect(up ?? Infinity).toBeLessThan(10_000);
  expect(vicFlow.longestGap).toBeLessThan(held(500, 800));
  expect(freeHeights).toEqual([360]);
  expect(freeFlow.longestGap).toBeLessThan(Math.max(held(300, 1_000), freeBefore.longestGap * 2));
});

test('5 % loss each way at 80 ms: hardly a freeze, hardly a concealed sound @once', async () => {
  test.setTimeout(180_000);
  const room = freshRoom('loss');
  const bad = { delay_ms: 40, loss: 0.05 };
  const relay = await Relay.start({ up: bad, down: bad, seed: 7 });
  // Both publish, so that loss each way is loss on what is sent too. The browser's own fake camera costs little and never stutters.
  callers.push(await Caller.join(room, 'Pat', { query: 'res=360', browser: browsers[0]!, viewport: SMALL }));
  const vic = await Caller.join(room, 'Vic', { query: 'res=180', browser: browsers[1]!, viewport: SMALL, prepare: (context) => relay.attach(context) });
  callers.push(vic);
  await vic.expectMediaOf('Pat', 60_000);
  await callers[0]!.expectMediaOf('Vic', 60_000);
  await askFor(vic, 'Pat', 360);
  await vic.page.waitForTimeout(5_000);
  const look = async () =>
    Promise.all([inbound(vic, 'Pat', 'camera'), inbound(vic, 'Pat', 'microphone'), inbound(callers[0]!, 'Vic', 'camera'), inbound(callers[0]!, 'Vic', 'microphone')]);
  const before = await look();
  const start = Date.now();
  await vic.page.waitForTimeout(30_000);
  const after = await look();
  const seconds = (Date.now() - start) / 1000;
  const counters = await relay.counters();
  const results = [0, 2].map((i) => {
    const [videoBefore, audioBefore, video, audio] = [before[i]!, before[i + 1]!, after[i]!, after[i + 1]!];
    const heard = (s: Inbound) => s.concealedSamples - s.silentConcealedSamples;
    return {
      frozen: (video.totalFreezesDuration - videoBefore.totalFreezesDuration) / seconds,
      freezes: video.freezeCount - videoBefore.freezeCount,
      concealed: (heard(audio) - heard(audioBefore)) / (audio.totalSamplesReceived - audioBefore.totalSamplesReceived),
      fps: (video.framesDecoded - videoBefore.framesDecoded) / seconds,
      pli: video.pliCount - videoBefore.pliCount,
    };
  });
  await callers.splice(1, 1)[0]!.close();
  await relay.stop();
  const words = results.map((r) => `frozen ${(r.frozen * 100).toFixed(2)} % in ${r.freezes}, ${r.fps.toFixed(1)} frames/s, sound concealed ${(r.concealed * 100).toFixed(2)} %, PLI ${r.pli}`);
  console.log(`5 % loss each way, 80 ms, ${seconds.toFixed(0)} s (${counters.down.lost} and ${counters.up.lost} packets lost): down ${words[0]}; up ${words[1]}`);
  for (const r of results) {
    expect(r.fps).toBeGreaterThan(3);
    expect(r.frozen).toBeLessThan(0.01);
    expect(r.concealed).toBeLessThan(0.03);
  }
});
