// A picture for Chromium's fake camera: a figure before a soft background, gently moving.
// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';

const WIDTH = 1280;
const HEIGHT = 720;
const FRAMES = 24;

type Rgb = [number, number, number];

function hsl(h: number, s: number, l: number): Rgb {
  const f = (n: number) => {
    const k = (n + h / 30) % 12;
    return 255 * (l - s * Math.min(l, 1 - l) * Math.max(-1, Math.min(k - 3, 9 - k, 1)));
  };
  return [f(0), f(8), f(4)];
}

const mix = (a: Rgb, b: Rgb, t: number): Rgb => [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t];
const edge = (distance: number) => Math.max(0, Math.min(1, 0.5 - distance / 3));

/** The colour of one pixel of the scene at phase 0..1. */
function colour(x: number, y: number, hue: number, phase: number): Rgb {
  const sway = Math.sin(phase * 2 * Math.PI);
  const light = Math.hypot(x - WIDTH * (0.25 + 0.02 * sway), y - HEIGHT * 0.2) / WIDTH;
  let c = mix(hsl(hue, 0.45, 0.78), hsl(hue + 25, 0.4, 0.36), Math.min(1, light));
  const cx = WIDTH / 2 + 10 * sway;
  const shoulders = Math.hypot((x - cx) / 1.25, y - HEIGHT * 1.12) - HEIGHT * 0.42;
  c = mix(c, hsl(hue + 190, 0.35, 0.34), edge(shoulders));
  const head = Math.hypot((x - cx) * 1.18, y - HEIGHT * (0.43 + 0.006 * sway)) - HEIGHT * 0.2;
  c = mix(c, hsl(28, 0.45, 0.66), edge(head));
  const hair = Math.max(Math.hypot((x - cx) * 1.12, y - HEIGHT * 0.39) - HEIGHT * 0.215, y - HEIGHT * 0.37);
  return mix(c, hsl(hue + 210, 0.3, 0.2), edge(hair));
}

/** Writes a YUV4MPEG2 file (4:2:0) that Chromium plays in a loop. */
export function writeCamera(file: string, hue: number): void {
  const parts: Buffer[] = [Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F12:1 Ip A1:1 C420jpeg\n`)];
  for (let frame = 0; frame < FRAMES; frame++) {
    const luma = Buffer.alloc(WIDTH * HEIGHT);
    const cb = Buffer.alloc((WIDTH * HEIGHT) / 4);
    const cr = Buffer.alloc((WIDTH * HEIGHT) / 4);
    for (let y = 0; y < HEIGHT; y++) {
      for (let x = 0; x < WIDTH; x++) {
        const [r, g, b] = colour(x, y, hue, frame / FRAMES);
        luma[y * WIDTH + x] = 0.299 * r + 0.587 * g + 0.114 * b;
        if (x % 2 === 0 && y % 2 === 0) {
          const i = (y / 2) * (WIDTH / 2) + x / 2;
          cb[i] = 128 - 0.1687 * r - 0.3313 * g + 0.5 * b;
          cr[i] = 128 + 0.5 * r - 0.4187 * g - 0.0813 * b;
        }
      }
    }
    parts.push(Buffer.from('FRAME\n'), luma, cb, cr);
  }
  writeFileSync(file, Buffer.concat(parts));
}
