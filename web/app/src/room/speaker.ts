// Who is large in speaker view: whom one sees should not change with every "mhm". Pure: loudness and time in, a person out.
// SPDX-License-Identifier: Apache-2.0

/** Who is large stays so for this long, in ms, unless they are silent. */
export const HOLD_MS = 3000;
/** Someone else must have been the loudest for this long, in ms. */
export const CHALLENGE_MS = 1000;

export class SpeakerChooser {
  #current: string | null = null;
  #since = 0;
  #challenger: string | null = null;
  #challengerSince = 0;

  get current(): string | null {
    return this.#current;
  }

  /** `audible`: others who speak, loudest first. `present` tells whether somebody is still here. */
  update(audible: readonly string[], present: (id: string) => boolean, at: number): string | null {
    const heard = audible.filter(present);
    if (this.#current !== null && !present(this.#current)) this.#current = null;
    const loudest = heard[0] ?? null;
    if (loudest === null || loudest === this.#current) {
      this.#challenger = null;
    } else if (this.#current === null) {
      this.#choose(loudest, at);
    } else {
      if (loudest !== this.#challenger) {
        this.#challenger = loudest;
        this.#challengerSince = at;
      }
      if (at >= this.#dueAt(heard)) this.#choose(loudest, at);
    }
    this.#due = this.#challenger === null ? null : this.#dueAt(heard);
    return this.#current;
  }

  #due: number | null = null;

  /** When to ask again although nothing was heard anew; null: no need. */
  get due(): number | null {
    return this.#due;
  }

  #dueAt(heard: readonly string[]): number {
    const challenged = this.#challengerSince + CHALLENGE_MS;
    const speaks = this.#current !== null && heard.includes(this.#current);
    return speaks ? Math.max(challenged, this.#since + HOLD_MS) : challenged;
  }

  #choose(id: string, at: number): void {
    this.#current = id;
    this.#since = at;
    this.#challenger = null;
  }
}
