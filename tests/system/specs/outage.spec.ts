// What breaks, and what must not: a signald, then Redis, in the middle of a call.
// SPDX-License-Identifier: Apache-2.0
import { expect, test } from '@playwright/test';

import { Caller } from '../lib/caller.js';
import { cluster, freshRoom } from '../lib/cluster.js';
import { RawClient } from '../lib/raw.js';

test.describe.configure({ mode: 'serial' });

const room = freshRoom('outage');
let ada: Caller, ben: Caller;

test.beforeAll(async () => {
  ada = await Caller.join(room, 'Ada', { query: 'res=360' });
  ben = await Caller.join(room, 'Ben', { query: 'res=360' });
  await ada.expectMediaOf('Ben');
  await ben.expectMediaOf('Ada');
});

test.afterAll(async () => {
  for (const service of cluster.services()) if (service.state === 'stopped') await cluster.dev('start', service.name);
  await Promise.all([ada, ben].map((c) => c?.close()));
});

/** Watches what is decoded for `ms`: the longest time between two new frames, and two new sounds, in ms. */
async function longestGap(viewer: Caller, other: string, ms: number): Promise<{ video: number; audio: number }> {
  const start = Date.now();
  const gap = { video: 0, audio: 0 };
  const last = { video: { count: -1, at: start }, audio: { count: -1, at: start } };
  while (Date.now() - start < ms) {
    const seen = await viewer.sees(other);
    const now = Date.now();
    const counts = { video: seen.camera?.framesDecoded ?? -1, audio: seen.microphone?.packetsReceived ?? -1 };
    for (const kind of ['video', 'audio'] as const) {
      gap[kind] = Math.max(gap[kind], now - last[kind].at);
      if (counts[kind] > last[kind].count) last[kind] = { count: counts[kind], at: now };
    }
    await viewer.page.waitForTimeout(50);
  }
  return gap;
}

const chat = (caller: Caller, text: string) =>
  caller.page.evaluate((t) => window.conclave.room.sendChat(t).then(() => 'ok', (e: { code?: string }) => e.code ?? String(e)), text);

test('a signald is killed: its clients resume on the other, media never stops', async () => {
  const victim = (await ada.stats()).signald!;
  const gaps = longestGap(ada, 'Ben', 12_000);
  await cluster.dev('stop', '--kill', victim);
  await expect.poll(async () => (await ada.stats()).signald, { timeout: 20_000 }).not.toBe(victim);
  await expect.poll(() => ada.page.evaluate(() => window.conclave.room.connection)).toBe('connected');
  const stats = await ada.stats();
  expect(stats.setRemoteDescriptionCalls).toBe(1);
  expect(stats.resumes).toBe(1);
  expect(stats.joins).toBe(1);
  await expect.poll(() => chat(ada, 'still here')).toBe('ok');
  await expect.poll(() => ben.page.evaluate(() => window.conclave.room.chat.map((m: { text: string }) => m.text))).toContain('still here');
  const gap = await gaps;
  console.log(`signald killed: longest gap video ${gap.video} ms, audio ${gap.audio} ms (sampled every 50 ms)`);
  expect(gap.video).toBeLessThan(2000);
  expect(gap.audio).toBeLessThan(2000);
  await cluster.dev('start', victim);
});

test('Redis is dead for 30 s: media never stops, chat is refused, then all works with no restart', async () => {
  test.setTimeout(180_000);
  const before = cluster.services().map(({ name, pid }) => ({ name, pid })).filter(({ name }) => name !== 'redis');
  await cluster.dev('stop', '--kill', 'redis');
  const gaps = Promise.all([longestGap(ada, 'Ben', 30_000), longestGap(ben, 'Ada', 30_000)]);
  await expect.poll(() => chat(ada, 'into the void')).toBe('unavailable');
  const gap = await gaps;
  console.log(`Redis dead for 30 s: longest gap video ${gap[0].video} and ${gap[1].video} ms, audio ${gap[0].audio} and ${gap[1].audio} ms`);
  for (const g of gap) {
    expect(g.video).toBeLessThan(2000);
    expect(g.audio).toBeLessThan(2000);
  }
  expect(await ada.page.evaluate(() => window.conclave.room.connection)).toBe('connected');
  await cluster.dev('start', 'redis');
  await expect.poll(() => chat(ada, 'back again'), { timeout: 20_000 }).toBe('ok');
  await expect.poll(() => ben.page.evaluate(() => window.conclave.room.chat.map((m: { text: string }) => m.text))).toContain('back again');
  expect(await ben.page.evaluate(() => window.conclave.room.chat.map((m: { text: string }) => m.text))).not.toContain('into the void');
  await expect.poll(() => cluster.services().every((s) => s.state === 'ready'), { timeout: 20_000 }).toBe(true);
  const cleo = await Caller.join(room, 'Cleo', { query: 'res=360' });
  await cleo.expectMediaOf('Ada');
  await ada.expectMediaOf('Cleo');
  await cleo.close();
  for (const caller of [ada, ben]) expect((await caller.stats()).setRemoteDescriptionCalls).toBe(1);
  expect(cluster.services().map(({ name, pid }) => ({ name, pid })).filter(({ name }) => name !== 'redis')).toEqual(before);
});

test('a client that vanishes is shown as lost at once, and gone after the resume window', async () => {
  test.setTimeout(90_000);
  const dora = await RawClient.connect();
  expect(await dora.join(room, 'Dora')).toMatchObject({ op: 'joined' });
  await expect(ada.tile('Dora')).toBeVisible();
  const vanished = Date.now();
  dora.close();
  await expect(ada.tile('Dora')).toHaveAttribute('data-connected', 'false');
  await expect(ada.tile('Dora')).toHaveCount(0, { timeout: 45_000 });
  expect(Date.now() - vanished).toBeGreaterThan(25_000);
});
