// Media are quiet, or the network is another: is the socket of the one before? Nobody else tells us for long.
// SPDX-License-Identifier: Apache-2.0
import type { Signaling } from './signaling.js';
import { withTimeout } from './timeout.js';

/** A socket that does not answer within this, in ms, is of the network before. */
function patience(rtt: number | null): number {
  return rtt === null ? 700 : Math.min(1500, 400 + 3 * rtt);
}
/** Between two questions while media go on being silent, in ms. */
const ASK_MS = 1000;
/** After one was left on suspicion, the next is trusted for so long. */
const TRUST_MS = 10_000;

export class SocketDoubt {
  #doubting = false;
  #askedAt = -Infinity;
  #abandonedAt = -Infinity;

  /** Asks over `socket`; leaves it when it says nothing and, by then, `isCondemned`. `isOther`: the browser says that the network is. */
  async judge(socket: Signaling, isOther: boolean, isCondemned: () => boolean): Promise<void> {
    const now = performance.now();
    if (this.#doubting) return;
    if (!isOther && (now - this.#abandonedAt < TRUST_MS || now - this.#askedAt < ASK_MS)) return;
    this.#doubting = true;
    this.#askedAt = now;
    const answered = (await withTimeout(socket.request('ping', {}), patience(socket.rtt))) !== undefined;
    this.#doubting = false;
    if (answered || !isCondemned()) return;
    this.#abandonedAt = performance.now();
    socket.abandon();
  }
}
