// A media node goes: asked to (SIGTERM), or without a word (SIGKILL). People are on the other one soon.
// SPDX-License-Identifier: Apache-2.0
import { expect, test } from '@playwright/test';

import { Caller } from '../lib/caller.js';
import { cluster, freshRoom } from '../lib/cluster.js';

/** How long after `leave` both have joined anew, and see and hear each other, in ms. */
async function timeToRecover(leave: (node: string) => Promise<unknown>): Promise<number> {
  const room = freshRoom('node');
  const ada = await Caller.join(room, 'Ada', { query: 'res=180' });
  const ben = await Caller.join(room, 'Ben', { query: 'res=180' });
  await ada.expectMediaOf('Ben');
  await ben.expectMediaOf('Ada');
  const node = (await ada.stats()).node!;
  const start = Date.now();
  await leave(node);
  for (const [caller, other] of [[ada, 'Ben'], [ben, 'Ada']] as const) {
    await expect.poll(async () => (await caller.stats()).joins, { timeout: 60_000 }).toBeGreaterThan(1);
    await caller.expectMediaOf(other, 60_000);
  }
  const time = Date.now() - start;
  await cluster.dev('start', node);
  await Promise.all([ada, ben].map((c) => c.close()));
  return time;
}

test('a node that is asked to end sends its people elsewhere', async () => {
  const time = await timeToRecover((node) => cluster.dev('stop', node));
  console.log(`sfud stopped (SIGTERM): both see and hear each other again after ${time} ms`);
  expect(time).toBeLessThan(30_000);
});

test('a node that dies is left', async () => {
  test.setTimeout(180_000);
  const time = await timeToRecover((node) => cluster.dev('stop', '--kill', node));
  console.log(`sfud killed (SIGKILL): both see and hear each other again after ${time} ms`);
  expect(time).toBeLessThan(60_000);
});

test('a node that dies and is started again at once takes its port, and its people back', async () => {
  test.setTimeout(180_000);
  const time = await timeToRecover(async (node) => {
    await cluster.dev('stop', '--kill', node);
    await cluster.dev('start', node);
  });
  console.log(`sfud killed and started again: both see and hear each other again after ${time} ms`);
  expect(time).toBeLessThan(30_000);
});
