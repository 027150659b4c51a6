// What people see and hear on bad networks, measured by their own browsers. Figures are printed.
// SPDX-License-Identifier: Apache-2.0
import { type Browser, type BrowserContext, expect, test } from '@playwright/test';

import { launchChromium } from '../lib/browser.js';
import { Caller, percentile } from '../lib/caller.js';
import { clockCamera, flowOf, frameOf, takeFrames, watchClocks } from '../lib/clock.js';
import { freshRoom } from '../lib/cluster.js';
import { killRelays, readCapture, Relay, sequencesOf } from '../lib/relay.js';
import { askFor, inbound, inboundOf, type Inbound } from '../lib/senses.js';

test.describe.configure({ mode: 'serial' });

/** Pages that paint little leave the processor to the codecs. */
const SMALL = { width: 480, height: 360 };

let browsers: Browser[] = [];
let callers: Caller[] = [];

test.beforeAll(async () => void (browsers = await Promise.all([launchChromium(), launchChromium()])));
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
  const before = await inboundOf(vic);
  const times: number[] = [];
  for (let i = 0; i < 100; i += 1) {
    const quinn = i % 2 === 0;
    await askFor(vic, quinn ? 'Quinn' : 'Pat', 180);
    times.push(await frameOf(vic.page, quinn ? 2 : 1, null));
  }
  const frames = await takeFrames(vic.page);
  const flow = flowOf(frames);
  const after = await inboundOf(vic);
  await callers.splice(callers.indexOf(vic), 1)[0]!.close();
  const capture = sequencesOf(readCapture(relay.capture));
  await relay.stop();
  // A browser asks once for a keyframe in a slot that has become empty: only those count in which something was shown.
  const shown = [...new Set(frames.map((f) => f.mid))];
  const ofSlot = (list: Inbound[], mid: string) => list.find((s) => s.mid === mid)!;
  const changes = shown.map((mid) => since(ofSlot(before, mid), ofSlot(after, mid)));
  const change = changes.reduce((a, b) => ({ pli: a.pli + b.pli, nack: a.nack + b.nack, lost: a.lost + b.lost }));
  console.log(
    `100 slot changes: p50 ${percentile(times, 50).toFixed(0)} ms, p95 ${percentile(times, 95).toFixed(0)} ms from view to picture; ${flow.frames} frames in ${shown.length} slots, ` +
      `oldest ${flow.oldest} ms, longest gap ${flow.longestGap} ms, unreadable ${flow.unreadable}; PLI ${change.pli}, NACK ${change.nack}, lost ${change.lost}`,
  );
  for (const [ssrc, stream] of capture) expect(stream, `stream ${ssrc} of ${capture.size}`).toMatchObject({ missing: 0, twice: 0 });
  expect(flow.oldest).toBeLessThan(500);
  expect(change).toEqual({ pli: 0, nack: 0, lost: 0 });
  expect(flow.unreadable / flow.frames).toBeLessThan(0.01);
});
