// What nobody watches is not sent, and comes back at once when somebody looks.
// SPDX-License-Identifier: Apache-2.0
import { type Browser, expect, test } from '@playwright/test';

import { launchChromium } from '../lib/browser.js';
import { Caller } from '../lib/caller.js';
import { freshRoom } from '../lib/cluster.js';
import { askFor, askForNothing } from '../lib/senses.js';

let browsers: Browser[];
test.beforeAll(async () => void (browsers = await Promise.all([launchChromium(), launchChromium()])));
test.afterAll(() => Promise.all(browsers.map((b) => b.close())));

for (const codec of ['vp8', 'vp9']) {
  test(`${codec}: a layer that nobody watches is not sent, and is back when somebody does @once`, async () => {
    const room = freshRoom('dynacast');
    const pat = await Caller.join(room, 'Pat', { query: `res=360&codec=${codec}`, browser: browsers[0]! });
    const vic = await Caller.join(room, 'Vic', { query: 'audio=0&video=0', browser: browsers[1]! });
    await vic.expectMediaOf('Pat');

    /** Lines of the largest picture that is encoded right now; 0: none is. */
    const encoded = async () => {
      const look = async () => new Map((await pat.stats()).sent.camera!.map((l) => [l.rid, l]));
      const before = await look();
      await pat.page.waitForTimeout(500);
      const moving = [...(await look())].filter(([rid, l]) => l.framesEncoded > (before.get(rid)?.framesEncoded ?? 0));
      return Math.max(0, ...moving.map(([, l]) => l.frameHeight));
    };
    const shown = async () => (await vic.sees('Pat')).camera?.frameHeight;

    await askFor(vic, 'Pat', 360);
    await expect.poll(encoded, { timeout: 30_000 }).toBe(360);
    await askFor(vic, 'Pat', 180);
    await expect.poll(encoded, { timeout: 30_000, message: 'the upper layer stops' }).toBe(180);
    await expect.poll(shown, { message: 'the lower one goes on' }).toBe(180);
    await askForNothing(vic);
    await expect.poll(encoded, { timeout: 40_000, message: 'nothing is encoded' }).toBe(0);

    const asked = Date.now();
    await askFor(vic, 'Pat', 360);
    await expect.poll(shown, { timeout: 30_000, intervals: [50], message: 'it is back' }).toBe(360);
    console.log(`dynacast, ${codec}: the top layer is shown ${Date.now() - asked} ms after somebody looked again`);
    await Promise.all([pat.close(), vic.close()]);
  });
}
