// Firefox and Chromium in one room: each sees and hears the other, in both directions with simulcast.
// SPDX-License-Identifier: Apache-2.0
import { expect, test } from '@playwright/test';

import { launchFirefox } from '../lib/browser.js';
import { Caller } from '../lib/caller.js';
import { freshRoom } from '../lib/cluster.js';
import { askAgain, askFor } from '../lib/senses.js';

test.describe.configure({ mode: 'serial' });

const room = freshRoom('firefox');
let fox: Caller, cora: Caller;

test.beforeAll(async () => {
  cora = await Caller.join(room, 'Cora', { query: 'res=360' });
  const firefox = await launchFirefox();
  fox = await Caller.join(room, 'Fox', { query: 'res=360', browser: firefox });
});

test.afterAll(async () => {
  const firefox = fox?.page.context().browser();
  await Promise.all([fox, cora].map((c) => c?.close()));
  await firefox?.close();
});

test('each decodes the video and hears the audio of the other', async () => {
  await cora.expectMediaOf('Fox', 60_000);
  await fox.expectMediaOf('Cora', 60_000);
  for (const [viewer, other] of [[cora, 'Fox'], [fox, 'Cora']] as const) {
    expect((await viewer.sees(other)).camera!.codec).toBe('video/VP8');
  }
});

test('both send simulcast', async () => {
  for (const sender of [fox, cora]) {
    const layers = async () => (await sender.stats()).sent.camera!.filter((l) => l.framesEncoded > 0).map((l) => `${l.rid} ${l.frameHeight}`);
    await expect.poll(layers, { timeout: 30_000 }).toEqual(['q 180', 'h 360']);
  }
});

test('the layer follows the view, whoever sends and whoever watches', async () => {
  for (const [viewer, other] of [[cora, 'Fox'], [fox, 'Cora']] as const) {
    const camera = async () => (await viewer.sees(other)).camera!;
    for (const height of [180, 360, 180]) {
      await askFor(viewer, other, height);
      await expect.poll(async () => (await camera()).frameHeight, { timeout: 30_000, message: `${viewer.name} asks for ${height} lines` }).toBe(height);
      const frames = (await camera()).framesDecoded;
      await expect.poll(async () => (await camera()).framesDecoded, { message: `${viewer.name} goes on at ${height} lines` }).toBeGreaterThan(frames + 10);
    }
    await askAgain(viewer);
  }
});

test('application data go both ways, in order or lossy', async () => {
  const heard = (c: Caller) => c.page.evaluate(() => (window as unknown as { got: string[] }).got);
  for (const c of [fox, cora]) {
    await c.page.evaluate(() => {
      const got: string[] = ((window as unknown as { got: string[] }).got = []);
      window.conclave.room.on('data', (m: { topic: string; data: string }) => got.push(`${m.topic} ${m.data}`));
    });
  }
  for (const [from, to] of [[fox, cora], [cora, fox]] as const) {
    await from.page.evaluate(() => {
      for (const text of ['ä', 'b', 'c']) window.conclave.room.data.send('order', text);
      window.conclave.room.data.send('lossy', 'd', { reliable: false });
    });
    await expect.poll(async () => (await heard(to)).sort()).toEqual(['lossy d', 'order b', 'order c', 'order ä']);
  }
});

test('a mute in Firefox silences it, an unmute is heard again', async () => {
  await fox.control('microphone');
  await expect(cora.tile('Fox').getByTestId('tile-muted')).toBeVisible();
  const energy = async () => (await cora.sees('Fox')).microphone?.totalAudioEnergy ?? 0;
  const gained = async () => {
    const before = await energy();
    await cora.page.waitForTimeout(1000);
    return (await energy()) - before;
  };
  await expect.poll(gained).toBeLessThan(1e-4);
  await fox.control('microphone');
  await expect(cora.tile('Fox').getByTestId('tile-muted')).toHaveCount(0);
  const silent = await energy();
  await expect.poll(energy).toBeGreaterThan(silent);
});

test('Firefox leaves and comes back, and Chromium does not renegotiate', async () => {
  await fox.control('leave');
  await expect(cora.tile('Fox')).toHaveCount(0);
  await fox.enter(room, 'res=360');
  await cora.expectMediaOf('Fox', 60_000);
  await fox.expectMediaOf('Cora', 60_000);
  expect((await cora.stats()).setRemoteDescriptionCalls).toBe(1);
});
