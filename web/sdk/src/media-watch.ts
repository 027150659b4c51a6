// Notices a media path that died without a word: nothing that arrives, for how long. Pure; Room samples and acts.
// SPDX-License-Identifier: Apache-2.0

export interface MediaSample {
  /** ms, any clock. */
  at: number;
  /** Counts everything that arrives: RTP, RTCP, answers of STUN. Null when the browser does not say. */
  arrived: number | null;
  ice: RTCIceConnectionState;
  /** Someone is heard or seen, or hears or sees us: packets must come. Else only STUN, every few seconds. */
  busy: boolean;
}

/** `silent`: ask whether the server is still there. `quiet`: look for another way. `lost`: say so. `dead`: waiting longer is no use. */
export type MediaHealth = 'alive' | 'silent' | 'quiet' | 'lost' | 'dead';

export interface MediaWatchOptions {
  /** Between samples, in ms; 0 turns the watch off. Default 250. */
  intervalMs?: number;
  /** Silence in ms until media count as silent, quiet, lost and dead, when packets must come. */
  silentMs?: number;
  quietMs?: number;
  lostMs?: number;
  deadMs?: number;
}

/** Without media, Chromium and Firefox ask by STUN every 2.5 to 5 s: so much later the same is said. */
const IDLE_MS = 6000;
/** A longer gap between samples was the page's own sleep. */
const LONGEST_STEP_MS = 2000;

export class MediaWatch {
  readonly #silentMs: number;
  readonly #quietMs: number;
  readonly #lostMs: number;
  readonly #deadMs: number;
  #last: { at: number; arrived: number } | null = null;
  #silent = 0;
  /** Of the last sample. */
  health: MediaHealth = 'alive';

  constructor(options: MediaWatchOptions = {}) {
    this.#silentMs = options.silentMs ?? 700; // feedback comes ten times a second
    this.#quietMs = options.quietMs ?? 1200; // reports come every second, if nothing else does
    this.#lostMs = options.lostMs ?? 3000;
    this.#deadMs = options.deadMs ?? 6000;
  }

  /** Something arrived between the last two samples. */
  get isAlive(): boolean {
    return this.#silent === 0;
  }

  sample(sample: MediaSample): MediaHealth {
    return (this.health = this.#judge(sample));
  }

  #judge({ at, arrived, ice, busy }: MediaSample): MediaHealth {
    if (arrived === null) return 'alive';
    const last = this.#last;
    this.#last = { at, arrived };
    if (!last || arrived !== last.arrived) this.#silent = 0;
    else this.#silent += Math.min(LONGEST_STEP_MS, Math.max(0, at - last.at));
    // Once ICE misses answers too, silence is no longer that of people who say nothing.
    const patience = busy || ice === 'disconnected' || ice === 'failed' ? 0 : IDLE_MS;
    if (this.#silent >= this.#deadMs + patience) return 'dead';
    if (this.#silent >= this.#lostMs + patience) return 'lost';
    if (ice === 'disconnected' && this.#silent >= 1000) return 'lost';
    if (this.#silent >= this.#quietMs + patience) return 'quiet';
    return this.#silent >= this.#silentMs + patience ? 'silent' : 'alive';
  }
}
