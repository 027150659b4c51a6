// Gets a room connected and keeps it so: join, resume, rejoin, backoff. It decides *what* to try next; Room does the work.
// SPDX-License-Identifier: Apache-2.0
import { backoffDelay, defaultBackoff, Sleeper, type BackoffOptions } from './backoff.js';
import { codeOf, ConclaveError, isRetryable } from './errors.js';
import { CloseCode, type ClosingReason } from './protocol.js';

/** What a broken connection calls for. */
export type Remedy =
  | { do: 'resume'; immediately: boolean } // the participant lives on: new socket, same media
  | { do: 'rejoin' } // new participant, new RTCPeerConnection
  | { do: 'close'; reason: string };

export function remedyForClose(code: number): Remedy {
  switch (code) {
    case CloseCode.left:
      return { do: 'close', reason: 'left' };
    case CloseCode.removed:
      return { do: 'close', reason: 'removed' };
    case CloseCode.resumedElsewhere:
      return { do: 'close', reason: 'replaced' };
    case CloseCode.tokenRefused:
    case CloseCode.resumeWindowOver:
    case CloseCode.noJoin:
      return { do: 'rejoin' };
    case CloseCode.tooMany:
      return { do: 'resume', immediately: false };
    default:
      return { do: 'resume', immediately: true };
  }
}

export function remedyForClosing(reason: ClosingReason): Remedy {
  switch (reason) {
    case 'draining':
      return { do: 'resume', immediately: true };
    case 'error-limit':
      return { do: 'resume', immediately: false };
    case 'media-lost':
      return { do: 'rejoin' };
    default:
      return { do: 'close', reason };
  }
}

/** Why it is over, for people. */
export function closeMessage(reason: string): string {
  switch (reason) {
    case 'removed':
      return 'A moderator removed you from the room.';
    case 'replaced':
      return 'You joined this room from somewhere else.';
    case 'left':
      return 'You left the room.';
    default:
      return 'The connection to the room was lost.';
  }
}

const TOKEN_ERRORS = new Set(['bad-token', 'token-expired']);

export interface ConnectorWork {
  resume(): Promise<void>;
  join(refreshToken: boolean): Promise<void>;
}

export interface ConnectorOptions {
  backoff?: BackoffOptions;
  /** Give up after this long without success, in ms. */
  giveUpMs?: number;
  /** An attempt failed and there will be another. */
  onRetry?: (error: unknown) => void;
}

/**
 * The loop that runs while there is no connection. One at a time; `stop` ends it.
 * Resolves with what was done (`kept`: nothing, see `callOff`), rejects with the error that cannot be retried.
 */
export class Connector {
  readonly #sleeper = new Sleeper();
  #rejoin = false;
  #stopped = false;
  #calledOff = false;
  attempt = 0;

  constructor(
    private readonly work: ConnectorWork,
    private readonly options: ConnectorOptions = {},
  ) {}

  /** From now on only a full rejoin will do; one that is `underWay` counts. */
  demandRejoin(underWay = false): void {
    if (!underWay) this.#rejoin = true;
    this.#calledOff = false;
    this.#sleeper.wake();
  }

  /** What was there works again: no further attempt; one that is under way is finished. */
  callOff(): void {
    this.#calledOff = true;
    this.#sleeper.wake();
  }

  /** The network came back: try now. */
  wake(): void {
    this.#sleeper.wake();
  }

  stop(): void {
    this.#stopped = true;
    this.#sleeper.wake();
  }

  async run(start: 'resume' | 'rejoin', immediately: boolean): Promise<'resumed' | 'joined' | 'kept'> {
    const begin = Date.now();
    let tokenRefusals = 0;
    let wait = immediately ? 0 : null;
    this.#rejoin ||= start === 'rejoin';
    for (this.attempt = 0; ; this.attempt++) {
      const delay = wait ?? backoffDelay(this.attempt, this.options.backoff ?? defaultBackoff);
      wait = null;
      if (delay > 0) await this.#sleeper.sleep(delay);
      if (this.#stopped) throw new ConclaveError('closed', 'The room was closed.');
      if (this.#calledOff) return 'kept';
      const rejoin = this.#rejoin;
      try {
        if (!rejoin) {
          await this.work.resume();
          if (!this.#rejoin) return 'resumed';
          wait = 0;
          continue;
        }
        this.#rejoin = false;
        await this.work.join(tokenRefusals > 0);
        if (!this.#rejoin) return 'joined';
        wait = 0;
      } catch (error) {
        if (this.#stopped) throw new ConclaveError('closed', 'The room was closed.');
        if (rejoin) this.#rejoin = true;
        const code = codeOf(error);
        if (!rejoin && !isRetryable(error)) {
          // resume-expired, or anything else the server says about the resume: only a new join helps
          this.#rejoin = true;
          wait = 0;
        } else if (TOKEN_ERRORS.has(code) && tokenRefusals++ === 0) {
          wait = 0;
        } else if (!isRetryable(error)) {
          throw error;
        } else if (Date.now() - begin > (this.options.giveUpMs ?? 300_000)) {
          throw error;
        } else if (error instanceof ConclaveError && error.retryAfterMs) {
          wait = error.retryAfterMs;
        } else if (code === 'node-timeout') {
          // The server has waited for us already, for seconds.
          wait = backoffDelay(1, this.options.backoff ?? defaultBackoff);
        }
        this.options.onRetry?.(error);
      }
    }
  }
}
