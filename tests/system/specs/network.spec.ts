// The network of somebody in a call changes under them: another interface, another address. The call goes on.
// SPDX-License-Identifier: Apache-2.0
import { type Browser, expect, test } from '@playwright/test';

import { Caller } from '../lib/caller.js';
import { cluster, freshRoom } from '../lib/cluster.js';
import { Namespace } from '../lib/netns.js';

declare global {
  interface Window {
    longestGap: number;
  }
}

test.describe.configure({ mode: 'serial' });

const obstacle = Namespace.obstacle();
test.skip(obstacle !== null, obstacle ?? '');

const network = new Namespace();
const room = freshRoom('network');
let browser: Browser, ada: Caller, ben: Caller;

test.beforeAll(async () => {
  await network.open();
  network.up(1);
  browser = await network.launch(Number(new URL(cluster.url).port));
  ben = await Caller.join(room, 'Ben', { query: 'res=180' });
  ada = await Caller.join(room, 'Ada', { query: 'res=180', browser });
  await ada.expectMediaOf('Ben');
  await ben.expectMediaOf('Ada');
  await ada.page.evaluate(() => {
    const video = document.querySelector<HTMLVideoElement>('[data-testid="tile"][data-source="camera"][data-name="Ben"] video')!;
    let last = performance.now();
    const onFrame = () => {
      window.longestGap = Math.max(window.longestGap, performance.now() - last);
      last = performance.now();
      video.requestVideoFrameCallback(onFrame);
    };
    window.longestGap = 0;
    video.requestVideoFrameCallback(onFrame);
  });
});

test.afterAll(async () => {
  await Promise.all([ada, ben].map((c) => c?.close()));
  await browser?.close();
  network.close();
});

const joins = async () => (await ada.stats()).joins;
const restarts = async () => (await ada.stats()).setRemoteDescriptionCalls - (await joins());

/** The longest time without a new frame, from `change` until frames have come for 3 s again; in ms. */
async function gapOver(change: () => Promise<unknown>): Promise<number> {
  await ada.page.evaluate(() => (window.longestGap = 0));
  await change();
  const frames = async () => (await ada.sees('Ben')).camera?.framesDecoded ?? 0;
  const before = await frames();
  await expect.poll(async () => (await frames()) - before, { timeout: 30_000 }).toBeGreaterThan(40);
  return ada.page.evaluate(() => window.longestGap);
}

test('a restart while the old path works is not seen', async () => {
  const quiet = await gapOver(async () => undefined);
  const gap = await gapOver(async () => {
    await ada.page.evaluate(() => window.dispatchEvent(new Event('online')));
    await expect.poll(restarts, { timeout: 15_000 }).toBe(1);
  });
  console.log(`ICE restart on a path that works: longest gap between frames ${gap.toFixed(0)} ms (without: ${quiet.toFixed(0)} ms)`);
  expect(await joins()).toBe(1);
  expect(gap).toBeLessThan(Math.max(300, 2 * quiet));
});

test('another interface takes over when the one in use goes', async () => {
  const before = (await ada.stats()).transport.localCandidate;
  const gap = await gapOver(async () => {
    network.down(1);
    network.up(2);
  });
  console.log(`interface gone, another one there: longest gap between frames ${gap.toFixed(0)} ms; ${before} -> ${(await ada.stats()).transport.localCandidate}`);
  expect(await joins(), 'the participant and its connection are the same').toBe(1);
  await ben.expectMediaOf('Ada');
  expect(gap).toBeLessThan(3000);
});

test('a network that is away for some seconds, and comes back as another', async () => {
  const gap = await gapOver(async () => {
    network.down(2);
    await expect.poll(() => ada.page.evaluate(() => window.conclave.room.connection)).toBe('reconnecting');
    network.up(1);
  });
  await expect.poll(() => ada.page.evaluate(() => window.conclave.room.connection)).toBe('connected');
  console.log(`no network until the person is told, then another one: longest gap between frames ${gap.toFixed(0)} ms, ${await restarts()} restarts in all`);
  expect(await joins()).toBe(1);
  await ben.expectMediaOf('Ada');
});
