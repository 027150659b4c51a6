// Chromium and Firefox with fake devices, one browser for each participant: they share nothing, as in life.
// SPDX-License-Identifier: Apache-2.0
import { type Browser, chromium, firefox } from '@playwright/test';

const QUIET = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run', '--disable-quic'];

export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** The fake camera makes a moving picture, the fake microphone beeps. */
export function launchChromium(more: string[] = [], executablePath = CHROMIUM): Promise<Browser> {
  return chromium.launch({
    executablePath,
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

const FIREFOX_PREFERENCES = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.autoplay.default': 0,
  'media.peerconnection.ice.loopback': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  // No plugin is to be downloaded in the middle of a test.
  'media.gmp-manager.updateEnabled': false,
};

/** Debian's Firefox over WebDriver BiDi (a channel that begins with `moz-` means that and not Playwright's own Firefox). */
export function launchFirefox(): Promise<Browser> {
  return firefox.launch({
    channel: 'moz-firefox',
    executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
    firefoxUserPrefs: FIREFOX_PREFERENCES,
  });
}
