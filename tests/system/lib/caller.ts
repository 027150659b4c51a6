// A person in a call: a browser of their own, the app, and the SDK's own account of what it decodes.
// SPDX-License-Identifier: Apache-2.0
import { type Browser, type BrowserContext, expect, type Locator, type Page } from '@playwright/test';

import type { RoomStats } from '../../../web/sdk/src/stats.js';
import { launchChromium } from './browser.js';
import { cluster } from './cluster.js';
import { FrameJudge, keepFrames } from './schema.js';

declare global {
  interface Window {
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    conclave: { room: any };
  }
}

export interface CallerOptions {
  /** More of the URL's query, e.g. `res=360`. */
  query?: string;
  viewport?: { width: number; height: number };
  browser?: Browser;
  /** Runs in the page before anything else. */
  before?: () => void;
  /** Done to the context before it has a page, e.g. a relay's attach(). */
  prepare?: (context: BrowserContext) => Promise<void>;
}

export class Caller {
  private constructor(
    readonly name: string,
    readonly page: Page,
    readonly judge: FrameJudge,
    private readonly browser: Browser,
    private readonly shared: boolean,
  ) {}

  /** Joins `room` without a click and waits until the app says that it is in. */
  static async join(room: string, name: string, options: CallerOptions = {}): Promise<Caller> {
    const browser = options.browser ?? (await launchChromium());
    const isFirefox = browser.browserType().name() === 'firefox';
    const viewport = options.viewport ?? { width: 1280, height: 800 };
    const context = await browser.newContext({ viewport, permissions: isFirefox ? [] : ['camera', 'microphone'] });
    if (isFirefox) await context.addInitScript(keepFrames);
    await options.prepare?.(context);
    if (options.before) await context.addInitScript(options.before);
    const page = await context.newPage();
    const judge = new FrameJudge(page);
    const caller = new Caller(name, page, judge, browser, options.browser !== undefined);
    await caller.enter(room, options.query);
    return caller;
  }

  async enter(room: string, query = ''): Promise<void> {
    await this.page.goto(`${cluster.url}/r/${room}?name=${encodeURIComponent(this.name)}&join=1${query ? `&${query}` : ''}`);
    await this.page.waitForFunction(() => window.conclave?.room?.connection === 'connected', undefined, { timeout: 30_000 });
  }

  stats(): Promise<RoomStats> {
    return this.page.evaluate(() => window.conclave.room.stats());
  }

  /** What this page decodes of somebody, by name. */
  async sees(name: string): Promise<RoomStats['participants'][string]['tracks']> {
    return Object.values((await this.stats()).participants).find((p) => p.name === name)?.tracks ?? {};
  }

  /** The tile of somebody's camera on this page. */
  tile(name: string): Locator {
    return this.page.locator(`[data-testid="tile"][data-source="camera"][data-name="${name}"]`);
  }

  control(command: string): Promise<void> {
    return this.page.getByTestId(`control-${command}`).click();
  }

  /** Waits until frames and sound of `other` are decoded, and go on being decoded. */
  async expectMediaOf(other: string, timeout = 30_000): Promise<void> {
    const frames = async () => (await this.sees(other)).camera?.framesDecoded ?? 0;
    const energy = async () => (await this.sees(other)).microphone?.totalAudioEnergy ?? 0;
    await expect.poll(frames, { timeout, message: `${this.name} decodes video of ${other}` }).toBeGreaterThan(5);
    await expect.poll(energy, { timeout, message: `${this.name} hears ${other}` }).toBeGreaterThan(0);
    const before = { frames: await frames(), energy: await energy() };
    await expect.poll(frames, { timeout, message: `${this.name} goes on decoding video of ${other}` }).toBeGreaterThan(before.frames + 5);
    await expect.poll(energy, { timeout, message: `${this.name} goes on hearing ${other}` }).toBeGreaterThan(before.energy);
  }

  async close(): Promise<void> {
    if (this.browser.browserType().name() === 'firefox') await this.judge.takeKept(this.page);
    this.judge.verify();
    if (this.shared) await this.page.context().close();
    else await this.browser.close();
  }
}

export const percentile = (values: number[], p: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil((p / 100) * sorted.length) - 1)]!;
};
