// A viewer behind a relay: media goes through it, is squeezed mid-call, and what arrives can be checked on the wire.
// SPDX-License-Identifier: Apache-2.0
import { expect, test } from '@playwright/test';

import { Caller } from '../lib/caller.js';
import { freshRoom } from '../lib/cluster.js';
import { killRelays, readCapture, Relay, sequencesOf } from '../lib/relay.js';

let callers: Caller[] = [];

test.afterEach(async () => {
  await Promise.all(callers.map((c) => c.close()));
  callers = [];
  killRelays();
});

test('all media of a viewer goes through the relay, gapless on the wire, and loss is repaired', async () => {
  const relay = await Relay.start({ up: { delay_ms: 20 }, down: { delay_ms: 20 } });
  const room = freshRoom('relay');
  callers.push(await Caller.join(room, 'Ada', { query: 'res=360' }));
  callers.push(await Caller.join(room, 'Ben', { query: 'res=360', prepare: (context) => relay.attach(context) }));
  const ben = callers[1]!;
  await ben.expectMediaOf('Ada');
  await callers[0]!.expectMediaOf('Ben');
  const clean = await relay.counters();
  expect(clean.clients).toBeGreaterThan(0);
  expect(clean.up.packets).toBeGreaterThan(50);
  const before = readCapture(relay.capture);
  for (const [ssrc, stream] of sequencesOf(before)) expect(stream, `stream ${ssrc}`).toMatchObject({ missing: 0, twice: 0 });

  await relay.set({ down: { delay_ms: 20, loss: 0.05 } });
  await ben.expectMediaOf('Ada');
  await relay.set({ down: {} });
  await ben.expectMediaOf('Ada');
  const counters = await relay.stop();
  expect(counters.down.lost).toBeGreaterThan(0);
  expect(counters.down.queue_full).toBe(0);
});
