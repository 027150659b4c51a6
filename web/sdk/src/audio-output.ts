// Plays the audio slots. The server decides who is in them, so they all play all the time: no gap when a mapping changes.
// SPDX-License-Identifier: Apache-2.0

export class AudioOutput {
  #elements: HTMLAudioElement[] = [];
  #sinkId = '';
  #blocked = false;

  /** `onBlocked` hears when the browser refuses to play without a click, and when that is over. */
  constructor(private readonly onBlocked: (blocked: boolean) => void) {}

  get blocked(): boolean {
    return this.#blocked;
  }

  /** False where the browser has no choice of speaker (Safari, Firefox before 116). */
  static get canSelect(): boolean {
    return typeof HTMLMediaElement !== 'undefined' && 'setSinkId' in HTMLMediaElement.prototype;
  }

  attach(tracks: readonly MediaStreamTrack[]): void {
    this.detach();
    if (typeof Audio === 'undefined') return;
    this.#elements = tracks.map((track) => {
      const element = new Audio();
      element.autoplay = true;
      element.srcObject = new MediaStream([track]);
      if (this.#sinkId) void element.setSinkId?.(this.#sinkId).catch(() => undefined);
      return element;
    });
    void this.play();
  }

  /** Call it from a click when playback was blocked. */
  async play(): Promise<void> {
    const results = await Promise.allSettled(this.#elements.map((e) => e.play()));
    const blocked = results.some((r) => r.status === 'rejected' && (r.reason as DOMException)?.name === 'NotAllowedError');
    if (blocked === this.#blocked) return;
    this.#blocked = blocked;
    this.onBlocked(blocked);
  }

  async select(deviceId: string): Promise<void> {
    this.#sinkId = deviceId;
    await Promise.all(this.#elements.map((e) => e.setSinkId?.(deviceId)));
  }

  detach(): void {
    for (const element of this.#elements) {
      element.pause();
      element.srcObject = null;
    }
    this.#elements = [];
  }
}
