// Decides when ICE is restarted over a living socket, and for how long. Pure but for timers; Room does the work.
// SPDX-License-Identifier: Apache-2.0
import { backoffDelay, defaultBackoff, Sleeper, type BackoffOptions } from './backoff.js';
import { codeOf, ConclaveError, isRetryable } from './errors.js';

export interface RestartWork {
  /** Offer, answer. `anew`: with credentials never used before; else the offer that was not answered goes out again. */
  restart(options: { anew: boolean; attempt: number }): Promise<void>;
  /** There is a socket to ask over, and nobody joins or resumes. */
  isPossible(): boolean;
  /** Media flow, as far as we know. */
  isHealthy(): boolean;
  /** Restarting does not help: only a new join does. */
  giveUp(): void;
}

export interface RestartOptions {
  /** How long ICE may be `disconnected` before it is restarted, in ms. Default 2000. */
  disconnectedMs?: number;
  /** How long after an answer media may take to flow, in ms. Default 4000. */
  connectMs?: number;
  /** Answers without success until we give up. Default 3. */
  attempts?: number;
  backoff?: BackoffOptions;
}

/** Browsers say in several ways, one after the other, that the network is another: so long after an offer it is the same one. */
const SAME_CHANGE_MS = 500;
/** If it was not, media do not flow by then. */
const RECHECK_MS = 1500;

/**
 * One for each RTCPeerConnection. A restart is made before the old path is broken: while that works nobody notices, so
 * asking too often costs a message, asking too late costs seconds.
 */
export class IceRestarter {
  readonly #sleeper = new Sleeper();
  readonly #disconnectedMs: number;
  readonly #connectMs: number;
  readonly #attempts: number;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #running = false;
  #stopped = false;
  /** The network has changed since the last offer. */
  #changed = false;
  /** Wanted, but there was no socket: when there is one. */
  #waiting = false;
  #answered = false;
  #offeredAt = -Infinity;
  #recheck: ReturnType<typeof setTimeout> | null = null;

  constructor(
    private readonly work: RestartWork,
    private readonly options: RestartOptions = {},
  ) {
    this.#disconnectedMs = options.disconnectedMs ?? 2000;
    this.#connectMs = options.connectMs ?? 4000;
    this.#attempts = options.attempts ?? 3;
  }

  /** The node has answered a restart that may still come to something: no reason to join anew yet. */
  get isPromising(): boolean {
    return this.#running && this.#answered;
  }

  noteIce(state: RTCIceConnectionState): void {
    if (state === 'connected' || state === 'completed') this.#stopTimer();
    else if (state === 'failed') this.begin();
    else if (state === 'disconnected') this.#timer ??= setTimeout(() => this.begin(), this.#disconnectedMs);
  }

  /** Another network, another address: whatever is under way was for the old one. */
  networkChanged(): void {
    if (this.#stopped) return;
    if (this.#running && performance.now() - this.#offeredAt < SAME_CHANGE_MS) {
      this.#recheck ??= setTimeout(() => {
        this.#recheck = null;
        if (!this.work.isHealthy()) this.networkChanged();
      }, RECHECK_MS);
      return;
    }
    this.#changed = true;
    this.begin();
  }

  /** The socket works again. */
  resumed(): void {
    if (this.#waiting || !this.work.isHealthy()) this.begin();
  }

  /** Media do not flow, or may soon not flow. Once at a time. */
  begin(): void {
    this.#stopTimer();
    if (this.#stopped) return;
    if (this.#running) {
      if (this.#changed) this.#sleeper.wake();
      return;
    }
    this.#running = true;
    void this.#run().finally(() => {
      this.#running = this.#answered = false;
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#stopTimer();
    if (this.#recheck) clearTimeout(this.#recheck);
    this.#sleeper.wake();
  }

  #stopTimer(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  async #run(): Promise<void> {
    let anew = true;
    for (let attempt = 0; attempt < this.#attempts && !this.#stopped; ) {
      this.#waiting = !this.work.isPossible();
      if (this.#waiting) return;
      if (this.#changed) {
        this.#changed = false;
        anew = true;
        attempt = 0;
      }
      let wait = this.#connectMs;
      this.#offeredAt = performance.now();
      try {
        await this.work.restart({ anew, attempt });
        anew = this.#answered = true;
      } catch (error) {
        if (this.#stopped || !this.#isWorthAnother(error)) return;
        anew = this.#answered = false;
        wait = this.#delayAfter(error, attempt);
      }
      attempt += 1;
      if (!this.#stopped) await this.#sleeper.sleep(wait);
      if (this.#answered && !this.#changed && this.work.isHealthy()) return;
    }
    if (!this.#stopped && !this.work.isHealthy()) this.work.giveUp();
  }

  /** Else it waits for a socket, or is given up. */
  #isWorthAnother(error: unknown): boolean {
    const code = codeOf(error);
    this.#waiting = code === 'disconnected';
    if (this.#waiting) return false;
    // A node that does not answer signald, or does not know us, will not serve us either.
    if (isRetryable(error) && code !== 'node-timeout') return true;
    if (!this.work.isHealthy()) this.work.giveUp();
    return false;
  }

  #delayAfter(error: unknown, attempt: number): number {
    const told = error instanceof ConclaveError ? error.retryAfterMs : undefined;
    return told ?? backoffDelay(attempt, this.options.backoff ?? defaultBackoff);
  }
}

/** Calls back when the browser says that the network is another. Returns how to stop that. */
export function watchNetwork(changed: () => void): () => void {
  if (typeof window === 'undefined') return () => undefined;
  window.addEventListener('online', changed);
  // It changes with every estimate of the bandwidth, too; the kind of network says more, where it is told.
  const link = (navigator as { connection?: EventTarget & { type?: string } }).connection;
  let type = link?.type;
  const look = () => {
    if (link?.type === type) return;
    type = link?.type;
    if (type !== 'none') changed();
  };
  link?.addEventListener?.('change', look);
  return () => {
    window.removeEventListener('online', changed);
    link?.removeEventListener?.('change', look);
  };
}
