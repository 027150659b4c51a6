// What callers give us. TypeScript checks it for those who use it; plain JavaScript gets the same answer as an error of ours
// and not a TypeError from somewhere inside. SPDX-License-Identifier: Apache-2.0
import { ConclaveError } from './errors.js';
import { SOURCES, type Source } from './protocol.js';

/** Throws `bad-request` with that sentence. */
export function want(fine: boolean, sentence: string): asserts fine {
  if (!fine) throw new ConclaveError('bad-request', sentence);
}

export const isText = (value: unknown): value is string => typeof value === 'string';
export const isSource = (value: unknown): value is Source => SOURCES.includes(value as Source);
/** Whatever has the shape: a test's stand-in, too. */
export const isTrack = (value: unknown): boolean => typeof (value as MediaStreamTrack | null)?.stop === 'function' && isText((value as MediaStreamTrack).kind);

export function wantText(value: unknown, what: string): asserts value is string {
  want(isText(value), `${what} is a string.`);
}

export function wantSource(value: unknown): asserts value is Source {
  want(isSource(value), `A source is one of ${SOURCES.join(', ')}.`);
}

/** Throws unless `track` may be published as `source`. */
export function wantTrack(source: Source, track: MediaStreamTrack): void {
  wantSource(source);
  const kind = source === 'microphone' || source === 'screen-audio' ? 'audio' : 'video';
  want(isTrack(track) && track.kind === kind, `A ${source} is a MediaStreamTrack of ${kind}.`);
}
