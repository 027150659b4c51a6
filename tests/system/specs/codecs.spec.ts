// Chromium to Chromium in every codec: VP8 and H.264 by simulcast, VP9 and AV1 as one scalable stream.
// SPDX-License-Identifier: Apache-2.0
import { type Browser, expect, test } from '@playwright/test';

import { launchChromium } from '../lib/browser.js';
import { Caller } from '../lib/caller.js';
import { freshRoom } from '../lib/cluster.js';
import { askFor, typesOfOffer } from '../lib/senses.js';

const codecs = {
  vp8: { mimeType: 'video/VP8', streams: 2, mode: /./ },
  h264: { mimeType: 'video/H264', streams: 2, mode: /./ },
  vp9: { mimeType: 'video/VP9', streams: 1, mode: /^L2T3_KEY$/ },
  av1: { mimeType: 'video/AV1', streams: 1, mode: /^L2T3_KEY$/ },
};

let browsers: Browser[];
test.beforeAll(async () => void (browsers = await Promise.all([launchChromium(), launchChromium()])));
test.afterAll(() => Promise.all(browsers.map((b) => b.close())));

for (const [codec, expected] of Object.entries(codecs)) {
  test(`${codec}: frames and sound arrive, and the layer follows the view @once`, async () => {
    const room = freshRoom(codec);
    const pat = await Caller.join(room, 'Pat', { query: `res=360&codec=${codec}`, browser: browsers[0]! });
    // A viewer who sends nothing leaves the processor to the codec under test.
    const vic = await Caller.join(room, 'Vic', { query: 'audio=0&video=0', browser: browsers[1]! });
    await vic.expectMediaOf('Pat', 60_000);

    const camera = async () => (await vic.sees('Pat')).camera!;
    expect((await camera()).codec).toBe(expected.mimeType);
    const sent = async () => (await pat.stats()).sent.camera!.filter((s) => s.active && s.framesEncoded > 0);
    await expect.poll(async () => (await sent()).length, { timeout: 30_000 }).toBe(expected.streams);
    for (const stream of await sent()) {
      expect(stream.codec).toBe(expected.mimeType);
      expect(stream.scalabilityMode ?? 'none').toMatch(expected.mode);
    }

    // As long as somebody watches all of it, all of it is sent: what the other gets less is the server's doing.
    const top = await Caller.join(room, 'Top', { query: 'audio=0&video=0', browser: browsers[1]! });
    await top.expectMediaOf('Pat', 60_000);
    await askFor(top, 'Pat', 360);
    for (const height of [180, 360, 180]) {
      await askFor(vic, 'Pat', height);
      await expect.poll(async () => (await camera()).frameHeight, { timeout: 30_000, message: `${codec}: a view of ${height} lines` }).toBe(height);
      const frames = (await camera()).framesDecoded;
      await expect.poll(async () => (await camera()).framesDecoded, { message: `${codec}: goes on at ${height} lines` }).toBeGreaterThan(frames + 10);
    }
    expect((await top.sees('Pat')).camera!.frameHeight).toBe(360);
    await Promise.all([pat, vic, top].map((c) => c.close()));
  });
}

test('every receive slot offers every codec, and layers can be found without the payload', async () => {
  const ada = await Caller.join(freshRoom('offer'), 'Ada', { query: 'audio=0&video=0&codec=av1', browser: browsers[0]! });
  const { slots, camera, audio } = await typesOfOffer(ada);
  expect(slots).toHaveLength(9);
  for (const slot of slots) {
    expect(new Set(slot.codecs)).toEqual(new Set(['VP8', 'VP9', 'H264', 'AV1', 'rtx']));
    expect(slot.descriptor).toBe(true);
  }
  expect(camera.codecs[0]).toBe('AV1');
  expect(camera.descriptor).toBe(true);
  expect(audio.codecs).toEqual(['opus', 'red']);
  await ada.close();
});
