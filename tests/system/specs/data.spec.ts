// Application data between browsers, by way of the media node: order, loss, limits, errors, and a call that goes on.
// SPDX-License-Identifier: Apache-2.0
import { type BrowserContext, expect, test } from '@playwright/test';

import { Caller } from '../lib/caller.js';
import { cluster, freshRoom } from '../lib/cluster.js';
import { authdKey, reissue } from '../lib/tokens.js';

interface Heard {
  from: string;
  topic: string;
  data: string;
}
interface Failed {
  code: string;
  topic: string;
  to: string | null;
}

declare global {
  interface Window {
    heard: Heard[];
    failed: Failed[];
  }
}

/** Guests of this context get a token that does not let them send data. */
async function withoutGrant(context: BrowserContext): Promise<void> {
  const key = authdKey();
  await context.route('**/v1/guests', async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    const { grant } = JSON.parse(Buffer.from(body.access_token.split('.')[1], 'base64url').toString());
    body.access_token = reissue(body.access_token, { grant: { ...grant, data: false } }, key);
    await route.fulfill({ response, json: body });
  });
}

async function listen(caller: Caller): Promise<void> {
  await caller.page.evaluate(() => {
    window.heard = [];
    window.failed = [];
    const decode = (data: string | Uint8Array) => (typeof data === 'string' ? data : new TextDecoder().decode(data));
    window.conclave.room.on('data', (m: Heard) => window.heard.push({ ...m, data: decode(m.data) }));
    window.conclave.room.on('data-failed', (f: Failed) => window.failed.push(f));
  });
}

const idOf = (caller: Caller): Promise<string> => caller.page.evaluate(() => window.conclave.room.self.id);
const heard = (caller: Caller, topic: string): Promise<Heard[]> => caller.page.evaluate((t) => window.heard.filter((m) => m.topic === t), topic);
const failures = (caller: Caller, topic: string): Promise<string[]> =>
  caller.page.evaluate((t) => [...new Set(window.failed.filter((f) => f.topic === t).map((f) => f.code))], topic);

/** `count` messages, as fast as they go; what send() throws, or ''. */
function send(caller: Caller, topic: string, count: number, options: { to?: string; reliable?: boolean } = {}, size = 0): Promise<string> {
  return caller.page.evaluate(
    ([t, n, o, s]) => {
      try {
        for (let i = 0; i < n; i++) window.conclave.room.data.send(t, `${i}`.padEnd(s, ' '), o);
        return '';
      } catch (error) {
        return (error as { code: string }).code;
      }
    },
    [topic, count, options, size] as const,
  );
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`);
const texts = async (caller: Caller, topic: string): Promise<string[]> => (await heard(caller, topic)).map((m) => m.data.trimEnd());

test.describe.configure({ mode: 'serial' });

let ada: Caller, ben: Caller, cleo: Caller;
let room: string;

test.beforeAll(async () => {
  room = freshRoom('data');
  ada = await Caller.join(room, 'Ada');
  ben = await Caller.join(room, 'Ben');
  cleo = await Caller.join(room, 'Cleo', { prepare: withoutGrant });
  for (const caller of [ada, ben, cleo]) await listen(caller);
  await ada.expectMediaOf('Ben');
  // Everybody's data channels are up when a word gets through to everybody.
  for (const sender of [ada, ben]) {
    const others = [ada, ben, cleo].filter((c) => c !== sender);
    await expect
      .poll(async () => {
        await send(sender, `ready ${sender.name}`, 1);
        return (await Promise.all(others.map((o) => heard(o, `ready ${sender.name}`)))).every((m) => m.length > 0);
      })
      .toBe(true);
  }
});

test.afterAll(async () => {
  for (const caller of [ada, ben, cleo]) await caller?.close();
});

test('a thousand reliable messages reach the room, and a thousand one participant, all in order', async () => {
  expect(await send(ada, 'numbers', 1000)).toBe('');
  for (const caller of [ben, cleo]) await expect.poll(() => texts(caller, 'numbers')).toEqual(numbers(1000));
  expect(new Set((await heard(ben, 'numbers')).map((m) => m.from))).toEqual(new Set([await idOf(ada)]));
  expect(await send(ben, 'numbers', 1000, { to: await idOf(ada) })).toBe('');
  await expect.poll(() => texts(ada, 'numbers')).toEqual(numbers(1000));
  expect(await heard(cleo, 'numbers')).toHaveLength(1000);
  expect([...(await failures(ada, 'numbers')), ...(await failures(ben, 'numbers'))]).toEqual([]);
});

test('lossy messages arrive too, nearly all of them on a network without losses', async () => {
  await send(ben, 'cursor', 500, { reliable: false });
  await send(ben, 'end of cursor', 1);
  for (const caller of [ada, cleo]) {
    await expect.poll(() => heard(caller, 'end of cursor')).toHaveLength(1);
    await expect.poll(async () => (await heard(caller, 'cursor')).length).toBeGreaterThan(450);
  }
});

test('large messages go through, what is too large does not', async () => {
  expect(await send(ada, 'large', 1, {}, 16_000)).toBe('');
  await expect.poll(async () => (await heard(ben, 'large')).map((m) => m.data.length)).toEqual([16_000]);
  expect(await send(ada, 'large', 1, {}, 16_001)).toBe('too-large');
});

test('who has no grant is told so, and listens', async () => {
  await send(cleo, 'psst', 1);
  await expect.poll(() => failures(cleo, 'psst')).toEqual(['forbidden']);
  await send(ben, 'psst', 1);
  await expect.poll(() => heard(cleo, 'psst')).toHaveLength(1);
  await expect.poll(() => heard(ada, 'psst')).toHaveLength(1);
});

test('a flood is refused, and the call goes on', async () => {
  const frames = async () => (await ada.sees('Ben')).camera?.framesDecoded ?? 0;
  const before = await frames();
  expect(await send(ben, 'flood', 6000)).toBe('');
  await expect.poll(() => failures(ben, 'flood')).toEqual(['rate-limited']);
  await send(ada, 'others', 1); // a new topic, while much is on its way to Ben
  await expect.poll(() => heard(ben, 'others')).toHaveLength(1);
  await expect.poll(async () => (await heard(ada, 'flood')).length).toBeGreaterThan(200);
  await expect.poll(frames).toBeGreaterThan(before + 5);
  expect((await heard(ada, 'flood')).length).toBeLessThan(6000);
  await ada.expectMediaOf('Ben');
});

test('who has left is not found', async () => {
  const to = await idOf(cleo);
  await send(ada, 'bye', 1, { to });
  await expect.poll(() => heard(cleo, 'bye')).toHaveLength(1);
  await cleo.page.evaluate(() => window.conclave.room.leave());
  await expect.poll(() => ada.page.evaluate((id) => window.conclave.room.participants.has(id), to)).toBe(false);
  await expect
    .poll(async () => {
      await send(ada, 'bye', 1, { to });
      return failures(ada, 'bye');
    })
    .toEqual(['not-found']);
  const told = await ada.page.evaluate(() => window.failed.filter((f) => f.topic === 'bye').map((f) => f.to));
  expect(new Set(told)).toEqual(new Set([to]));
  await ada.expectMediaOf('Ben');
  const counts = await Promise.all(cluster.services().filter((s) => s.name.startsWith('sfud')).map((s) => cluster.metric(s.name, 'sfud_data_participants')));
  expect(counts.reduce((a, b) => a + b, 0)).toBeGreaterThanOrEqual(2);
});

test('who opens too many topics is told which are not there, and others have theirs, who come later too', async () => {
  const topics = Array.from({ length: 20 }, (_, i) => `many ${i}`);
  for (const topic of topics) await send(ada, topic, 1);
  const refused = () => ada.page.evaluate((all) => window.failed.filter((f) => all.includes(f.topic)), topics);
  const heardBy = async (caller: Caller) => (await Promise.all(topics.map((topic) => heard(caller, topic)))).flatMap((m) => m.map(({ topic }) => topic));
  const [last] = topics.slice(-1);
  await expect.poll(refused).toContainEqual({ code: 'too-many-topics', topic: last, to: null });
  const left = topics.slice(0, -(await refused()).length);
  expect(await refused()).toEqual(topics.slice(left.length).map((topic) => ({ code: 'too-many-topics', topic, to: null })));
  expect(left.length, 'of 16').toBeGreaterThanOrEqual(10);
  await expect.poll(() => heardBy(ben)).toEqual(left);

  const dora = await Caller.join(room, 'Dora');
  await listen(dora);
  try {
    await expect
      .poll(async () => {
        for (const topic of left) await send(ada, topic, 1);
        return (await Promise.all(left.map((topic) => heard(dora, topic)))).every((m) => m.length > 0);
      })
      .toBe(true);
    await send(dora, 'of one who came later', 1);
    for (const caller of [ada, ben]) await expect.poll(() => heard(caller, 'of one who came later')).toHaveLength(1);
    expect(await dora.page.evaluate(() => window.failed)).toEqual([]);
  } finally {
    await dora.close();
  }
});
