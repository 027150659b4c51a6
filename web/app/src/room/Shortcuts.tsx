// Single keys, never while typing.
// SPDX-License-Identifier: Apache-2.0
import { Fragment, useEffect } from 'react';
import { Dialog } from '../ui/bits';
import type { Command } from './Controls';

const KEYS: [string, Command, string][] = [
  ['m', 'microphone', 'Microphone on or off'],
  ['v', 'camera', 'Camera on or off'],
  ['s', 'screen', 'Share your screen'],
  ['h', 'hand', 'Raise or lower your hand'],
  ['c', 'chat', 'Chat'],
  ['p', 'people', 'People'],
  ['g', 'view', 'Grid or speaker view'],
  ['?', 'shortcuts', 'This list'],
  ['Escape', 'close', 'Close a panel'],
];

export function commandFor(event: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey' | 'repeat' | 'target'>): Command | null {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return null;
  const target = event.target as Element | null;
  if (target?.closest?.('input, textarea, select, [contenteditable]')) return null;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return KEYS.find(([k]) => k === key)?.[1] ?? null;
}

export function useShortcuts(run: (command: Command) => void, active: boolean): void {
  useEffect(() => {
    if (!active) return;
    const listener = (event: KeyboardEvent) => {
      if (document.querySelector('dialog[open]')) return;
      const command = commandFor(event);
      if (!command) return;
      event.preventDefault();
      run(command);
    };
    window.addEventListener('keydown', listener);
    return () => window.removeEventListener('keydown', listener);
  }, [run, active]);
}

export function Shortcuts({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose} testId="shortcuts">
      <dl className="keys">
        {KEYS.map(([key, , what]) => (
          <Fragment key={key}>
            <dt>
              <kbd>{key === 'Escape' ? 'Esc' : key.toUpperCase()}</kbd>
            </dt>
            <dd>{what}</dd>
          </Fragment>
        ))}
      </dl>
    </Dialog>
  );
}
