// Short messages that go away by themselves.
// SPDX-License-Identifier: Apache-2.0
import { createStore } from './store';

export interface Toast {
  id: number;
  text: string;
}

export const toasts = createStore<readonly Toast[]>([]);
let next = 1;

export function toast(text: string, ms = 6000): void {
  if (toasts.get().some((t) => t.text === text)) return;
  const id = next++;
  toasts.set((list) => [...list.slice(-2), { id, text }]);
  setTimeout(() => dismiss(id), ms);
}

export function dismiss(id: number): void {
  toasts.set((list) => list.filter((t) => t.id !== id));
}

/** What a screen reader should say: people who come and go, chat, reconnecting. */
export const announcement = createStore('');
