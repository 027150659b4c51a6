// A media node goes: asked to (SIGTERM), without a word (SIGKILL), or with its machine (SIGSTOP). People are on the other one soon.
// SPDX-License-Identifier: Apache-2.0
import { expect, test } from '@playwright/test';

import { Caller } from '../lib/caller.js';
import { cluster, freshRoom } from '../lib/cluster.js';

/** Some 3 s on a machine with nothing else to do; without what is asked of it here it took 9, and at times 40. */
const LOST_MAX_MS = 15_000;

/** How long after `leave` both have joined anew, and see and hear each other, in ms. */
async function timeToRecover(leave: (node: string) => Promise<unknown>, returns = (node: string): Promise<unknown> => cluster.dev('start', node)): Promise<number> {
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
  // Nobody who tried to come in vain sits there until a resume window is over.
  for (const caller of [ada, ben]) expect(Object.keys((await caller.stats()).participants)).toHaveLength(1);
  await returns(node);
  await Promise.all([ada, ben].map((c) => c.close()));
  return time;
}

test('a node that is asked to end sends its people elsewhere', async () => {
  const time = await timeToRecover((node) => cluster.dev('stop', node));
  console.log(`sfud stopped (SIGTERM): both see and hear each other again after ${time} ms`);
  expect(time).toBeLessThan(8_000);
});

test('a node that dies is left', async () => {
  test.setTimeout(180_000);
  const time = await timeToRecover((node) => cluster.dev('stop', '--kill', node));
  console.log(`sfud killed (SIGKILL): both see and hear each other again after ${time} ms`);
  expect(time).toBeLessThan(LOST_MAX_MS);
});

test('a node whose machine stops is left', async () => {
  test.setTimeout(180_000);
  const signal = (name: 'SIGSTOP' | 'SIGCONT') => async (node: string) => process.kill(cluster.service(node).pid!, name);
  const time = await timeToRecover(signal('SIGSTOP'), signal('SIGCONT'));
  console.log(`sfud stands still (SIGSTOP): both see and hear each other again after ${time} ms`);
  expect(time).toBeLessThan(LOST_MAX_MS);
});

test('a node that dies and is started again at once takes its port, and its people back', async () => {
  test.setTimeout(180_000);
  const time = await timeToRecover(async (node) => {
    await cluster.dev('stop', '--kill', node);
    await cluster.dev('start', node);
  });
  console.log(`sfud killed and started again: both see and hear each other again after ${time} ms`);
  expect(time).toBeLessThan(LOST_MAX_MS);
});
