// Media are quiet, or the network is another: is the socket of the one before? Nobody else tells us for long.
// SPDX-License-Identifier: Apache-2.0
import type { Signaling } from './signaling.js';
import { withTimeout } from './timeout.js';

/** A socket that does not answer within this is of the network before. */
const DOUBT_MS = 700;
/** After one was left on suspicion, the next is trusted for so long. */
const TRUST_MS = 10_000;

export class SocketDoubt {
  #doubting = false;
  #abandonedAt = -Infinity;

  /** Asks over `socket`; leaves it when it says nothing and, by then, `isCondemned`. */
  async judge(socket: Signaling, isCondemned: () => boolean): Promise<void> {
    if (this.#doubting || performance.now() - this.#abandonedAt < TRUST_MS) return;
    this.#doubting = true;
    const answered = (await withTimeout(socket.request('ping', {}), DOUBT_MS)) !== undefined;
    this.#doubting = false;
    if (answered || !isCondemned()) return;
    this.#abandonedAt = performance.now();
    socket.abandon();
  }
}
