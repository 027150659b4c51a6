// What we want to see: normalises and debounces the list that goes to the server as `view`.
// SPDX-License-Identifier: Apache-2.0
import type { ViewEntry } from './protocol.js';

export const MAX_VIEW_ENTRIES = 64;
/** Sizes are rounded up to this, so that dragging a window does not send a message per pixel. */
const STEP = 16;
const MAX_SIDE = 7680;

const side = (n: number) => Math.min(MAX_SIDE, Math.max(STEP, Math.ceil((Number.isFinite(n) ? n : 0) / STEP) * STEP));

/** Drops duplicates (the first wins), rounds sizes, keeps at most 64. */
export function normaliseView(entries: readonly ViewEntry[]): ViewEntry[] {
  const seen = new Set<string>();
  const out: ViewEntry[] = [];
  for (const { participant, source, width, height } of entries) {
    const key = `${participant} ${source}`;
    if (seen.has(key) || out.length === MAX_VIEW_ENTRIES) continue;
    seen.add(key);
    out.push({ participant, source, width: side(width), height: side(height) });
  }
  return out;
}

export const sameView = (a: readonly ViewEntry[], b: readonly ViewEntry[]): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Calls `send` with the newest view once it has been quiet for `waitMs`, and never twice with the same. */
export class ViewDebouncer {
  #wanted: ViewEntry[] | null = null;
  #sent: ViewEntry[] | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(
    private readonly send: (view: ViewEntry[]) => void,
    private readonly waitMs = 100,
  ) {}

  /** What was asked for last, or null. */
  get wanted(): ViewEntry[] | null {
    return this.#wanted;
  }

  set(entries: readonly ViewEntry[]): void {
    this.#wanted = normaliseView(entries);
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (!this.#wanted || (this.#sent && sameView(this.#sent, this.#wanted))) return;
      this.#sent = this.#wanted;
      this.send(this.#wanted);
    }, this.waitMs);
  }

  stop(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
