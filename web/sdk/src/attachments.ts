// Elements that show somebody: they get the track of whatever slot has the source, and together they are the view.
// SPDX-License-Identifier: Apache-2.0
import type { ViewEntry } from './protocol.js';
import type { Participant } from './state.js';

export type VideoSource = 'camera' | 'screen';

export interface AttachmentsHost {
  participant(id: string): Participant | undefined;
  /** Who is to be seen and how large, in device pixels; the largest first. */
  view(entries: ViewEntry[]): void;
}

interface Attachment {
  readonly participant: string;
  readonly source: VideoSource;
  /** CSS pixels */
  width: number;
  height: number;
  isOnScreen: boolean;
  track: MediaStreamTrack | null;
}

export class Attachments {
  readonly #all = new Map<HTMLVideoElement, Attachment>();
  #sizes: ResizeObserver | null = null;
  #places: IntersectionObserver | null = null;

  constructor(private readonly host: AttachmentsHost) {}

  /** An element shows one thing: what it showed before is taken out. Returns what ends this and nothing later. */
  add(element: HTMLVideoElement, participant: string, source: VideoSource): () => void {
    this.#remove(element);
    const { width, height } = element.getBoundingClientRect();
    const attachment: Attachment = { participant, source, width, height, isOnScreen: true, track: null };
    this.#all.set(element, attachment);
    // The sound of others is the SDK's; without a gesture only silent video plays by itself.
    element.muted = true;
    element.autoplay = true;
    element.playsInline = true;
    element.addEventListener('enterpictureinpicture', this.#changed);
    element.addEventListener('leavepictureinpicture', this.#changed);
    this.#observe(element);
    this.refresh();
    this.#changed();
    return () => {
      if (this.#all.get(element) === attachment) this.#remove(element);
    };
  }

  #remove(element: HTMLVideoElement): void {
    const attachment = this.#all.get(element);
    if (!attachment) return;
    this.#all.delete(element);
    this.#sizes?.unobserve(element);
    this.#places?.unobserve(element);
    element.removeEventListener('enterpictureinpicture', this.#changed);
    element.removeEventListener('leavepictureinpicture', this.#changed);
    if (attachment.track) show(element, null);
    this.#changed();
  }

  /** Gives each element the track that its source has now. */
  refresh(): void {
    for (const [element, attachment] of this.#all) {
      const track = this.host.participant(attachment.participant)?.tracks[attachment.source];
      const next = track && !track.muted ? track.mediaStreamTrack : null;
      if (next === attachment.track) continue;
      attachment.track = next;
      show(element, next);
    }
  }

  /** They have left: their elements, which are the page's, show nothing. */
  forget(participant: string): void {
    for (const [element, attachment] of this.#all) if (attachment.participant === participant) this.#remove(element);
  }

  clear(): void {
    for (const element of [...this.#all.keys()]) this.#remove(element);
    this.#sizes?.disconnect();
    this.#places?.disconnect();
  }

  #observe(element: HTMLVideoElement): void {
    if (typeof ResizeObserver !== 'undefined') {
      this.#sizes ??= new ResizeObserver((entries) => {
        for (const { target, contentRect } of entries) this.#set(target, { width: contentRect.width, height: contentRect.height });
      });
      this.#sizes.observe(element);
    }
    if (typeof IntersectionObserver !== 'undefined') {
      // A little beyond the edge, so that what is scrolled into sight is there already.
      this.#places ??= new IntersectionObserver(
        (entries) => {
          for (const { target, isIntersecting } of entries) this.#set(target, { isOnScreen: isIntersecting });
        },
        { rootMargin: '200px' },
      );
      this.#places.observe(element);
    }
  }

  #set(element: Element, news: Partial<Attachment>): void {
    const attachment = this.#all.get(element as HTMLVideoElement);
    if (!attachment) return;
    Object.assign(attachment, news);
    this.#changed();
  }

  readonly #changed = (): void => {
    const ratio = globalThis.devicePixelRatio || 1;
    const largest = new Map<string, ViewEntry>();
    for (const [element, { participant, source, width, height, isOnScreen }] of this.#all) {
      const inPicture = globalThis.document?.pictureInPictureElement === element;
      if (!inPicture && !(isOnScreen && width > 0 && height > 0)) continue;
      if (this.host.participant(participant)?.isLocal) continue;
      const key = `${participant} ${source}`;
      const before = largest.get(key);
      if (!before || before.width * before.height < width * height * ratio * ratio) {
        largest.set(key, { participant, source, width: width * ratio, height: height * ratio });
      }
    }
    this.host.view([...largest.values()].sort((a, b) => b.width * b.height - a.width * a.height));
  };
}

/** From the first new frame on: a slot's picture of before must not appear under another name. */
function show(element: HTMLVideoElement, track: MediaStreamTrack | null): void {
  element.srcObject = track ? new MediaStream([track]) : null;
  if (!track || !('requestVideoFrameCallback' in element)) return;
  element.style.opacity = '0';
  element.requestVideoFrameCallback(() => (element.style.opacity = ''));
}
