// What this browser remembers: name, devices, theme. Never a secret.
// SPDX-License-Identifier: Apache-2.0

export interface Prefs {
  name?: string;
  microphone?: string;
  camera?: string;
  speaker?: string;
  theme?: 'light' | 'dark';
  /** There is a session cookie to try after a reload. */
  account?: boolean;
}

const KEY = 'conclave';

export function readPrefs(): Prefs {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? '{}') as Prefs;
  } catch {
    return {};
  }
}

export function writePrefs(change: Prefs): void {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...readPrefs(), ...change }));
  } catch {
    // private mode: forget
  }
}
