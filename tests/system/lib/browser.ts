// Chromium with fake devices, one browser for each participant: they share nothing, as in life.
// SPDX-License-Identifier: Apache-2.0
import { type Browser, chromium } from '@playwright/test';

const QUIET = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run', '--disable-quic'];

/** The fake camera makes a moving picture, the fake microphone beeps. */
export function launchChromium(more: string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
      '--autoplay-policy=no-user-gesture-required',
      '--disable-dev-shm-usage',
      ...QUIET,
      ...more,
    ],
  });
}
