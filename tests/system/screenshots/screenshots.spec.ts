// The pictures of docs/images, taken from a real cluster: ./dev screenshots. SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { type Browser, expect, type Page, test } from '@playwright/test';

import { launchChromium } from '../lib/browser.js';
import { Caller } from '../lib/caller.js';
import { cluster, ROOT } from '../lib/cluster.js';
import { writeCamera } from './camera.js';

const images = path.join(ROOT, 'docs/images');
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
const scratch = mkdtempSync(path.join(tmpdir(), 'conclave-cameras-'));
const browsers: Browser[] = [];

async function browserWithCamera(hue: number): Promise<Browser> {
  const file = path.join(scratch, `${hue}.y4m`);
  writeCamera(file, hue);
  const browser = await launchChromium([`--use-file-for-fake-video-capture=${file}`]);
  browsers.push(browser);
  return browser;
}

test.afterAll(async () => {
  for (const browser of browsers) await browser.close();
  rmSync(scratch, { recursive: true, force: true });
});

const shot = (page: Page, name: string) => page.screenshot({ path: path.join(images, `${name}.png`) });

test('home and lobby', async () => {
  const browser = await browserWithCamera(200);
  for (const { name, viewport, colorScheme } of [
    { name: 'desktop', viewport: DESKTOP, colorScheme: 'light' as const },
    { name: 'phone', viewport: PHONE, colorScheme: 'dark' as const },
  ]) {
    const context = await browser.newContext({ viewport, colorScheme, permissions: ['camera', 'microphone'] });
    await context.addInitScript(() => {
      // The fake camera is named after its file.
      Object.defineProperty(InputDeviceInfo.prototype, 'label', { get: () => 'Built-in' });
    });
    const page = await context.newPage();
    await page.goto(cluster.url);
    await page.getByTestId('home-continue').waitFor();
    await shot(page, `home-${name}`);
    await page.goto(`${cluster.url}/r/weekly-planning?name=Ada`);
    await page.waitForFunction(() => (document.querySelector('video')?.currentTime ?? 0) > 0.5);
    await shot(page, `lobby-${name}`);
    await context.close();
  }
});

test('a room of three', async () => {
  const room = 'weekly-planning';
  const ben = await Caller.join(room, 'Ben', { browser: await browserWithCamera(120) });
  const cleo = await Caller.join(room, 'Cleo', { browser: await browserWithCamera(330), query: 'audio=0' });
  const browser = await browserWithCamera(200);
  await cleo.control('hand');
  for (const [name, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
    const ada = await Caller.join(room, 'Ada', { browser, viewport, query: 'audio=0' });
    await ada.expectMediaOf('Ben');
    await expect.poll(async () => (await ada.sees('Cleo')).camera?.framesDecoded ?? 0).toBeGreaterThan(20);
    await expect.poll(async () => (await ada.sees('Cleo')).camera?.frameHeight ?? 0).toBeGreaterThanOrEqual(360);
    for (const colorScheme of ['light', 'dark'] as const) {
      await ada.page.emulateMedia({ colorScheme });
      await ada.page.waitForTimeout(1500);
      await shot(ada.page, `room-${name}-${colorScheme}`);
    }
    await ada.control('chat');
    if (name === 'desktop') await ben.page.evaluate(() => window.conclave.room.sendChat('Shall we begin with the agenda?'));
    await expect(ada.page.getByTestId('chat-list')).toContainText('agenda');
    await ada.page.waitForTimeout(800);
    await shot(ada.page, `chat-${name}`);
    await ada.page.context().close();
  }
  await Promise.all([ben, cleo].map((c) => c.page.context().close()));
});

test('the report of a load test', async () => {
  const report = path.join(cluster.data, 'load/chaos.html');
  test.skip(!existsSync(report), 'first: ./dev load chaos --chaos');
  const browser = await browserWithCamera(200);
  const page = await browser.newPage({ viewport: { width: 1280, height: 1960 }, colorScheme: 'light' });
  await page.goto(`file://${report}`);
  await expect(page.getByRole('heading', { name: 'Chaos', exact: true })).toBeVisible();
  await shot(page, 'loadtest-report');
});
