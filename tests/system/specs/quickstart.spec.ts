// The quickstart of the SDK's README does what it says: who joins later appears, who leaves vanishes, the layout counts.
// SPDX-License-Identifier: Apache-2.0
import { type Browser, expect, type Page, test } from '@playwright/test';

import { launchChromium } from '../lib/browser.js';
import { cluster, freshRoom } from '../lib/cluster.js';
import { quickstartFile } from '../lib/quickstart.js';

const AT = '/quickstart';
let browser: Browser;

test.beforeAll(async () => {
  browser = await launchChromium();
});
test.afterAll(async () => {
  await browser?.close();
});

/** A page of the server's own origin that the test makes; the browser takes it for one from far away (`local-network-access`). */
async function open(room: string): Promise<Page> {
  const context = await browser.newContext({ permissions: ['camera', 'microphone', 'local-network-access'] });
  await context.route(`${cluster.url}${AT}/**`, async (route) => {
    const file = quickstartFile(new URL(route.request().url()).pathname.slice(AT.length), room);
    await route.fulfill(file ?? { status: 404 });
  });
  const page = await context.newPage();
  page.on('pageerror', (error) => console.log(`page: ${error.message}`));
  await page.goto(`${cluster.url}${AT}/`);
  return page;
}

/** The heights of all pictures that move, the tallest first. */
const pictures = (page: Page): Promise<number[]> =>
  page.$$eval('video', (videos) => videos.filter((v) => v.currentTime > 0 && v.videoHeight > 0).map((v) => v.videoHeight).sort((a, b) => b - a));

test('the quickstart shows who joins later and no more who has left, as large as the layout wants it', async () => {
  const room = freshRoom('quickstart');
  const ada = await open(room);
  await expect.poll(() => pictures(ada)).toHaveLength(1); // oneself
  const ben = await open(room);
  const cleo = await open(room);
  for (const page of [ada, ben, cleo]) await expect.poll(() => pictures(page), `everybody is seen`).toHaveLength(3);

  const smallest = async () => Math.min(...(await pictures(ada)));
  await ada.addStyleTag({ content: 'video { width: 8% !important }' });
  await expect.poll(smallest, 'a small element gets a small picture').toBeLessThan(200);
  await ada.addStyleTag({ content: 'video { width: 90% !important }' });
  await expect.poll(smallest, 'a large one gets a large one').toBeGreaterThan(300);

  await ben.close();
  await expect.poll(() => ada.locator('video').count(), 'who left has no element').toBe(2);
  await expect.poll(() => pictures(cleo)).toHaveLength(2);
  for (const page of [ada, cleo]) await page.context().close();
});
