// Keeps the way of media alive: notices that nothing arrives any more, restarts ICE, and says when only a new join helps.
// SPDX-License-Identifier: Apache-2.0
import { ConclaveError } from './errors.js';
import { IceRestarter, type RestartOptions } from './ice-restart.js';
import { MediaWatch, type MediaHealth, type MediaWatchOptions } from './media-watch.js';
import type { Peer } from './peer.js';
import { arrivedOf, reportsOf } from './stats.js';

export interface MediaPathWork {
  /** There is a socket to ask over, and nobody joins or resumes. */
  isPossible(): boolean;
  /** Packets must arrive: of somebody who is on, or feedback for what we send. */
  isBusy(): boolean;
  /** It was said that media are lost, and not yet that they are back. */
  isLost(): boolean;
  /** Offer → SDP of the answer. `attempt` 0 should be quick. */
  exchange(peer: Peer, anew: boolean, attempt: number): Promise<string>;
  /** Nothing has arrived for a while: the socket may have gone the same way. */
  doubtSocket(): void;
  /** Whether the server is there, apart from media. */
  signalingAnswers(): Promise<boolean>;
  lost(): void;
  back(): void;
  /** A new join is the only way: for sure, or (`suspected`) unless media come back before. */
  failed(): void;
  suspected(): void;
}

/** One for each Peer, from its join on. */
export class MediaPath {
  readonly #watch: MediaWatch;
  readonly #restarter: IceRestarter;
  readonly #timer: ReturnType<typeof setInterval> | null;
  #sampling = false;
  #stopped = false;

  constructor(
    private readonly peer: Peer,
    private readonly work: MediaPathWork,
    options: { mediaWatch?: MediaWatchOptions; iceRestart?: RestartOptions } = {},
  ) {
    this.#watch = new MediaWatch(options.mediaWatch);
    this.#restarter = new IceRestarter(
      {
        isPossible: () => !this.#stopped && work.isPossible(),
        isHealthy: () => !work.isLost() && this.#watch.health === 'alive' && ['connected', 'completed'].includes(peer.pc.iceConnectionState),
        giveUp: () => work.failed(),
        restart: ({ anew, attempt }) => this.#restart(anew, attempt),
      },
      options.iceRestart,
    );
    const interval = options.mediaWatch?.intervalMs ?? 250;
    this.#timer = interval ? setInterval(() => void this.#sample(), interval) : null;
  }

  /** Something arrived between the last two samples. */
  get isAlive(): boolean {
    return this.#watch.isAlive;
  }

  /** Packets must arrive, and do not. */
  get isSilent(): boolean {
    return this.#watch.health !== 'alive' || (!this.#watch.isAlive && this.work.isBusy());
  }

  noteIce(state: RTCIceConnectionState): void {
    this.#restarter.noteIce(state);
  }

  /** The browser's word on ICE and DTLS together. */
  noteState(state: RTCPeerConnectionState): void {
    if (state !== 'failed') return;
    // Without a path ICE is restarted; without DTLS nothing helps.
    if (this.peer.pc.iceConnectionState === 'failed') this.work.lost();
    else this.work.failed();
  }

  networkChanged(): void {
    this.#restarter.networkChanged();
  }

  /** The socket works again. */
  resumed(): void {
    this.#restarter.resumed();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer) clearInterval(this.#timer);
    this.#restarter.stop();
  }

  async #sample(): Promise<void> {
    const { pc } = this.peer;
    if (this.#sampling || !['connected', 'disconnected'].includes(pc.connectionState)) return;
    this.#sampling = true;
    try {
      const arrived = arrivedOf(reportsOf(await pc.getStats()));
      if (this.#stopped) return;
      const busy = this.work.isBusy();
      await this.#actOn(this.#watch.sample({ at: performance.now(), arrived, ice: pc.iceConnectionState, busy }));
    } catch {
      // no statistics now: nothing is known
    } finally {
      this.#sampling = false;
    }
  }

  async #actOn(health: MediaHealth): Promise<void> {
    if (health === 'alive') {
      if (this.work.isLost()) this.work.back();
      return;
    }
    if (health === 'lost' || health === 'dead') this.work.lost();
    // Without a socket, or with a silent one, it is our network: resuming comes first.
    if (!this.work.isPossible()) return;
    this.work.doubtSocket();
    if (health === 'silent') return;
    this.#restarter.begin();
    if (health !== 'dead' || this.#restarter.isPromising) return;
    if (!(await this.work.signalingAnswers())) return;
    if (!this.#stopped && this.work.isPossible()) this.work.suspected();
  }

  async #restart(anew: boolean, attempt: number): Promise<void> {
    const sdp = await this.work.exchange(this.peer, anew, attempt);
    if (this.#stopped) throw new ConclaveError('closed', 'There is another connection now.');
    await this.peer.accept(sdp);
  }
}
