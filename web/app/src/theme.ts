// Dark and light: the system's choice until the person makes their own.
// SPDX-License-Identifier: Apache-2.0
import { readPrefs, writePrefs } from './prefs';
import { createStore } from './store';

export type Theme = 'light' | 'dark';

const system = window.matchMedia?.('(prefers-color-scheme: dark)');
const systemTheme = (): Theme => (system?.matches ? 'dark' : 'light');

export const theme = createStore<Theme>(readPrefs().theme ?? systemTheme());

export function setTheme(next: Theme): void {
  document.documentElement.dataset.theme = next;
  writePrefs({ theme: next });
  theme.set(next);
}

const chosen = readPrefs().theme;
if (chosen) document.documentElement.dataset.theme = chosen;
system?.addEventListener?.('change', () => {
  if (!readPrefs().theme) theme.set(systemTheme());
});
