// Exponential backoff with jitter: pure delay computation and a sleep that can be woken.
// SPDX-License-Identifier: Apache-2.0

export interface BackoffOptions {
  /** First delay in ms. */
  baseMs: number;
  /** Longest delay in ms. */
  maxMs: number;
  /** 0..1, for tests. */
  random: () => number;
}

export const defaultBackoff: BackoffOptions = { baseMs: 250, maxMs: 5000, random: Math.random };

/** Delay before attempt `attempt` (0 is the first): between half and all of base·2^attempt, at most maxMs. */
export function backoffDelay(attempt: number, options: BackoffOptions = defaultBackoff): number {
  const ceiling = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(attempt, 16));
  return Math.round(ceiling / 2 + (options.random() * ceiling) / 2);
}

/** A sleep that `wake()` ends early. */
export class Sleeper {
  #wake: (() => void) | null = null;

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#wake = null;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wake = done;
    });
  }

  wake(): void {
    this.#wake?.();
  }
}
