// axe finds nothing on any page, in either theme, and a call can be led by keyboard alone.
// SPDX-License-Identifier: Apache-2.0
import { AxeBuilder } from '@axe-core/playwright';
import { type Browser, expect, type Page, test } from '@playwright/test';

import { Caller } from '../lib/caller.js';
import { launchChromium } from '../lib/browser.js';
import { cluster, freshRoom } from '../lib/cluster.js';

let browser: Browser;
test.beforeAll(async () => {
  browser = await launchChromium();
});
test.afterAll(() => browser.close());

async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`)).toEqual([]);
}

for (const colorScheme of ['light', 'dark'] as const) {
  for (const [device, viewport] of Object.entries({ desktop: { width: 1280, height: 800 }, phone: { width: 360, height: 740 } })) {
    test(`home, lobby and room are accessible, ${device}, ${colorScheme}`, async () => {
      const context = await browser.newContext({ viewport, colorScheme, permissions: ['camera', 'microphone'] });
      const page = await context.newPage();
      await page.goto(cluster.url);
      await page.getByTestId('home-continue').waitFor();
      await expectAccessible(page);
      await page.goto(`${cluster.url}/r/${freshRoom('a11y')}?name=Ada&res=180`);
      await page.getByTestId('join-button').waitFor();
      await expectAccessible(page);
      await page.getByTestId('join-button').click();
      await page.getByTestId('room').waitFor();
      await page.getByTestId('control-chat').click();
      await page.getByTestId('chat-input').waitFor();
      await expectAccessible(page);
      expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), 'nothing is wider than the screen').toBe(true);
      await context.close();
    });
  }
}

test('a call is led by keyboard alone', async () => {
  const caller = await Caller.join(freshRoom('keys'), 'Kim', { browser, query: 'res=180' });
  const { page } = caller;
  await page.keyboard.press('m');
  await expect(caller.tile('Kim')).toHaveAttribute('data-microphone', 'muted');
  await page.keyboard.press('m');
  await expect(caller.tile('Kim')).toHaveAttribute('data-microphone', 'on');
  await page.keyboard.press('h');
  await expect(caller.tile('Kim')).toHaveAttribute('data-hand', 'true');
  await page.keyboard.press('c');
  await page.keyboard.type('by keyboard');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('chat-list')).toContainText('by keyboard');
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('chat-panel')).toHaveCount(0);
  await caller.close();
});
