// When each step of joining happened, in ms after the click.
// SPDX-License-Identifier: Apache-2.0

export type JoinStep = 'click' | 'offer' | 'ws' | 'joined' | 'ice' | 'dtls' | 'firstFrame';
export type JoinTimeline = Readonly<Partial<Record<JoinStep, number>>>;

export class Timeline {
  #start = 0;
  #steps: Partial<Record<JoinStep, number>> = {};

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Begins anew; `clickedAt` (performance.now()) when the person asked for it, default now. */
  begin(clickedAt?: number): void {
    this.#start = clickedAt ?? this.now();
    this.#steps = { click: 0 };
  }

  /** Notes a step; the first time counts. Returns true if it was the first. */
  mark(step: JoinStep): boolean {
    if (this.#steps[step] !== undefined) return false;
    this.#steps[step] = Math.round((this.now() - this.#start) * 10) / 10;
    return true;
  }

  has(step: JoinStep): boolean {
    return this.#steps[step] !== undefined;
  }

  get steps(): JoinTimeline {
    return { ...this.#steps };
  }
}
