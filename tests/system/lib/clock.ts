// A clock in the picture: a camera that shows the time and its number as black and white blocks, and a viewer that reads them
// back from every frame that it is shown. All browsers are on this machine and have the same time.
// SPDX-License-Identifier: Apache-2.0
import type { Page } from '@playwright/test';

import type { Caller } from './caller.js';

export interface ClockCamera {
  number: number;
  /** Of the picture, which is 16:9. */
  lines: number;
}

/** For a context's addInitScript(): the camera is a canvas, 20 pictures a second. */
export function clockCamera({ number, lines }: ClockCamera): void {
  const HEIGHT = lines;
  const WIDTH = (lines * 16) / 9;
  const FPS = 20;
  const canvas = Object.assign(document.createElement('canvas'), { width: WIDTH, height: HEIGHT });
  const context = canvas.getContext('2d')!;
  // Below the clock, what cameras show: a scene that stands still, and the grain of the sensor, new in each picture. So each costs
  // about as many bits as the others, and a keyframe some times more; a scene that changes, or more grain than fits
  // the bitrate of the layers, makes encoders leave out pictures, up to 650 ms of them after a keyframe, and everybody's picture stands still.
  const scene = Object.assign(document.createElement('canvas'), { width: WIDTH, height: HEIGHT / 2 });
  const grain = Object.assign(document.createElement('canvas'), { width: WIDTH * 2, height: HEIGHT });
  const paint = () => {
    const pen = scene.getContext('2d')!;
    for (let x = 0; x < scene.width; x += 32) {
      for (let y = 0; y < scene.height; y += 32) {
        pen.fillStyle = `hsl(${(Math.random() * 360) | 0}, 40%, ${(30 + Math.random() * 40) | 0}%)`;
        pen.fillRect(x, y, 32, 32);
      }
    }
    const dots = grain.getContext('2d')!;
    for (let x = 0; x < grain.width; x += 4) {
      for (let y = 0; y < grain.height; y += 4) {
        dots.fillStyle = Math.random() < 0.5 ? '#00000029' : '#ffffff29';
        dots.fillRect(x, y, 4, 4);
      }
    }
  };
  // Three rows of 16 blocks: 32 bits of time in ms, 8 of the number, 8 that check them.
  const draw = () => {
    const time = Date.now() >>> 0;
    const check = (time ^ (time >>> 8) ^ (time >>> 16) ^ (time >>> 24) ^ number ^ 0x5a) & 0xff;
    const rows = [time >>> 16, time & 0xffff, (number << 8) | check];
    rows.forEach((bits, row) => {
      for (let i = 0; i < 16; i += 1) {
        context.fillStyle = (bits >> (15 - i)) & 1 ? '#fff' : '#000';
        context.fillRect((i * WIDTH) / 16, (row * HEIGHT) / 6, WIDTH / 16, HEIGHT / 6);
      }
    });
    context.drawImage(scene, 0, HEIGHT / 2);
    context.drawImage(grain, Math.random() * WIDTH, (Math.random() * HEIGHT) / 2, WIDTH, HEIGHT / 2, 0, HEIGHT / 2, WIDTH, HEIGHT / 2);
  };
  const original = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  let started = false;
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    if (!constraints?.video) return original(constraints);
    if (!started) {
      started = true;
      paint();
      setInterval(draw, 1000 / FPS);
    }
    const stream = canvas.captureStream(FPS);
    if (constraints.audio) for (const track of (await original({ audio: constraints.audio })).getAudioTracks()) stream.addTrack(track);
    return stream;
  };
}

export interface SeenFrame {
  mid: string;
  /** When it was shown, ms since 1970. */
  at: number;
  /** ms since it was drawn; null: the blocks could not be read. */
  age: number | null;
  /** Of the camera. */
  number: number | null;
  height: number;
}

type Watching = Window & { seenFrames: SeenFrame[] };

/** Reads every frame of every video slot from now on. */
export async function watchClocks(viewer: Caller): Promise<void> {
  await viewer.page.evaluate(() => {
    const seenFrames: SeenFrame[] = [];
    Object.assign(window, { seenFrames });
    const canvas = Object.assign(document.createElement('canvas'), { width: 160, height: 90 });
    const context = canvas.getContext('2d', { willReadFrequently: true })!;
    const read = (video: HTMLVideoElement): { time: number; number: number } | null => {
      context.drawImage(video, 0, 0, 160, 90);
      const { data } = context.getImageData(0, 0, 160, 45);
      const rows = [0, 1, 2].map((row) => {
        let bits = 0;
        for (let i = 0; i < 16; i += 1) {
          const at = ((row * 15 + 7) * 160 + i * 10 + 5) * 4;
          bits = bits * 2 + (data[at]! + data[at + 1]! + data[at + 2]! > 384 ? 1 : 0);
        }
        return bits;
      }) as [number, number, number];
      const time = ((rows[0] << 16) | rows[1]) >>> 0;
      const number = rows[2] >> 8;
      const check = (time ^ (time >>> 8) ^ (time >>> 16) ^ (time >>> 24) ^ number ^ 0x5a) & 0xff;
      return check === (rows[2] & 0xff) ? { time, number } : null;
    };
    const pc: RTCPeerConnection = window.conclave.room.peerConnection;
    const slots = pc.getTransceivers().filter((t) => t.receiver.track.kind === 'video' && t.direction === 'recvonly');
    slots.forEach((transceiver, i) => {
      const video = Object.assign(document.createElement('video'), { autoplay: true, muted: true, playsInline: true });
      video.style.cssText = `position:fixed;left:${i * 40}px;bottom:0;width:40px;height:24px;z-index:99`;
      video.srcObject = new MediaStream([transceiver.receiver.track]);
      document.body.append(video);
      const onFrame = () => {
        video.requestVideoFrameCallback(onFrame);
        const now = Date.now();
        const seen = read(video);
        const age = seen ? ((now >>> 0) - seen.time) | 0 : null;
        seenFrames.push({ mid: transceiver.mid!, at: now, age, number: seen?.number ?? null, height: video.videoHeight });
      };
      video.requestVideoFrameCallback(onFrame);
      void video.play();
    });
  });
}

/** What was shown since the last call. */
export function takeFrames(page: Page): Promise<SeenFrame[]> {
  return page.evaluate(() => (window as unknown as Watching).seenFrames.splice(0));
}

/** Waits until a frame of that camera and that height is shown; ms that it took. */
export function frameOf(page: Page, number: number, height: number | null, timeoutMs = 5000): Promise<number> {
  return page.evaluate(
    ({ number, height, timeoutMs }) => {
      const frames = (window as unknown as Watching).seenFrames;
      const from = frames.length;
      const start = performance.now();
      return new Promise<number>((resolve, reject) => {
        const look = () => {
          const took = performance.now() - start;
          const found = frames.slice(from).some((f) => f.number === number && (height === null || f.height === height));
          if (found) resolve(took);
          else if (took > timeoutMs) reject(new Error(`no frame of camera ${number} in ${height} lines within ${timeoutMs} ms`));
          else setTimeout(look, 10);
        };
        look();
      });
    },
    { number, height, timeoutMs },
  );
}

export interface Flow {
  frames: number;
  /** Longest time between two frames, ms. */
  longestGap: number;
  /** Oldest at the moment it was shown, ms. */
  oldest: number;
  unreadable: number;
}

export function flowOf(frames: SeenFrame[]): Flow {
  let longestGap = 0;
  for (let i = 1; i < frames.length; i += 1) longestGap = Math.max(longestGap, frames[i]!.at - frames[i - 1]!.at);
  return {
    frames: frames.length,
    longestGap,
    oldest: Math.max(0, ...frames.map((f) => f.age ?? 0)),
    unreadable: frames.filter((f) => f.age === null).length,
  };
}
