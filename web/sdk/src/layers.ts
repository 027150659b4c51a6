// Which layers a source sends: simulcast for VP8 and H.264, scalable coding for VP9 and AV1. Pure.
// SPDX-License-Identifier: Apache-2.0
import type { Source } from './protocol.js';

export type VideoCodec = 'vp8' | 'vp9' | 'av1' | 'h264';

/** `simulcast`: three encodings q, h, f. `svc`: one encoding with layers in it. `single`: one encoding. */
export type Layering = 'simulcast' | 'svc' | 'single';

/** The highest layer there can be; layers are counted from 0, the smallest. */
export const TOP_LAYER = 2;

const CAMERA_RIDS = ['q', 'h', 'f'];
const CAMERA_BITRATES = [150_000, 500_000, 1_700_000];
const SCREEN_BITRATE = 2_500_000;

export interface LayerOptions {
  /** Bits per second of the camera's layers q, h, f; of scalable coding with one, two, and three layers. */
  cameraBitrates?: readonly number[];
  screenBitrate?: number;
}

export function layeringOf(source: Source, codec: VideoCodec): Layering {
  if (codec === 'vp9' || codec === 'av1') return 'svc';
  return source === 'camera' ? 'simulcast' : 'single';
}

/** How many layers a camera of so many lines has; signald chooses by the same rule (docs/protocol.md). */
export const layerCount = (lines: number): number => (lines >= 540 ? 3 : lines >= 270 ? 2 : 1);

/**
 * The layers of a camera of so many lines, lowest first. Browsers encode fewer layers of small pictures, and give up the
 * largest first: so the largest that is left must be the whole picture.
 *
 * watched: the highest layer that anybody watches; -1: nobody watches. What is not watched is not sent.
 */
export function cameraLayers(lines: number, bitrates: readonly number[] = CAMERA_BITRATES, watched = TOP_LAYER): RTCRtpEncodingParameters[] {
  const count = layerCount(lines);
  return CAMERA_RIDS.map((rid, i) => ({
    rid,
    active: i < count && i <= watched,
    scaleResolutionDownBy: 2 ** Math.max(0, count - 1 - i),
    maxBitrate: bitrates[i]!,
  }));
}

/** `scalabilityMode` is in no type library yet (W3C webrtc-svc). */
export type ScalableEncoding = RTCRtpEncodingParameters & { scalabilityMode?: string };

/** The same layers as one scalable encoding. Without its upper layers it is a smaller picture: the others keep their size. */
function scalableLayers(count: number, watched: number, bitrate: (layers: number) => number): ScalableEncoding[] {
  const layers = Math.max(1, Math.min(count, watched + 1));
  return [
    {
      active: watched >= 0,
      scalabilityMode: layers === 1 ? 'L1T3' : `L${layers}T3_KEY`,
      scaleResolutionDownBy: 2 ** (count - layers),
      maxBitrate: bitrate(layers),
    },
  ];
}

/** The encodings of a video source with a picture of so many lines, as far as anybody watches them. */
export function videoEncodings(source: Source, layering: Layering, lines: number, options: LayerOptions = {}, watched = TOP_LAYER): ScalableEncoding[] {
  const bitrates = options.cameraBitrates ?? CAMERA_BITRATES;
  if (layering === 'simulcast') return cameraLayers(lines, bitrates, watched);
  const screenBitrate = options.screenBitrate ?? SCREEN_BITRATE;
  if (layering === 'single') return [{ active: watched >= 0, maxBitrate: source === 'camera' ? bitrates[TOP_LAYER]! : screenBitrate }];
  // Text that is scaled down cannot be read: a screen has temporal layers only.
  if (source === 'screen') return scalableLayers(1, watched, () => screenBitrate);
  return scalableLayers(layerCount(lines), watched, (layers) => bitrates[layers - 1]!);
}
