// Things we want the server to know, by key: the newest wish wins, is retried while the cluster cannot take it,
// and is repeated after a reconnect. Used for publish, mute, view and hand, which are idempotent; never for chat.
// SPDX-License-Identifier: Apache-2.0
import { backoffDelay, defaultBackoff, type BackoffOptions } from './backoff.js';
import { codeOf, ConclaveError, isRetryable } from './errors.js';

interface Intent {
  run: () => Promise<void>;
  dirty: boolean;
  working: boolean;
  waiters: { resolve(): void; reject(error: unknown): void }[];
}

export class Intents {
  readonly #intents = new Map<string, Intent>();
  #online = false;
  #stopped = false;

  constructor(private readonly backoff: BackoffOptions = defaultBackoff) {}

  /**
   * Makes `run` true on the server. `run` is called again after errors that pass and after a reconnect, so it must read
   * the wish at that moment. Resolves when it (or a newer wish of the same key) has been accepted.
   */
  set(key: string, run: () => Promise<void>): Promise<void> {
    if (this.#stopped) return Promise.reject(new ConclaveError('closed', 'The room is closed.'));
    let intent = this.#intents.get(key);
    if (!intent) this.#intents.set(key, (intent = { run, dirty: true, working: false, waiters: [] }));
    intent.run = run;
    intent.dirty = true;
    const done = new Promise<void>((resolve, reject) => intent.waiters.push({ resolve, reject }));
    void this.#work(intent);
    return done;
  }

  /** The connection works: do what waits. With `all`, repeat every wish (a new participant knows nothing). */
  goOnline(all: boolean): void {
    this.#online = true;
    for (const intent of this.#intents.values()) {
      if (all) intent.dirty = true;
      void this.#work(intent);
    }
  }

  goOffline(): void {
    this.#online = false;
  }

  stop(): void {
    this.#stopped = true;
    this.#online = false;
    for (const intent of this.#intents.values()) this.#settle(intent, new ConclaveError('closed', 'The room is closed.'));
    this.#intents.clear();
  }

  async #work(intent: Intent): Promise<void> {
    if (intent.working) return;
    intent.working = true;
    for (let attempt = 0; intent.dirty && this.#online; ) {
      intent.dirty = false;
      try {
        await intent.run();
        attempt = 0;
        if (!intent.dirty) this.#settle(intent);
      } catch (error) {
        if (!isRetryable(error)) {
          if (!intent.dirty) this.#settle(intent, error);
          continue;
        }
        intent.dirty = true;
        if (codeOf(error) === 'disconnected') {
          // A reconnect calls goOnline; if it already did, go on at once.
          await Promise.resolve();
          if (this.#online && attempt++ > 3) break;
          continue;
        }
        const wait = error instanceof ConclaveError && error.retryAfterMs ? error.retryAfterMs : backoffDelay(attempt, this.backoff);
        attempt += 1;
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
    intent.working = false;
  }

  #settle(intent: Intent, error?: unknown): void {
    for (const waiter of intent.waiters.splice(0)) {
      if (error === undefined) waiter.resolve();
      else waiter.reject(error);
    }
  }
}
