// Two routes: the home page, and a room. `?name=Ada&join=1` joins without a click; `audio=0`, `video=0` start muted;
// `res=360` limits the camera to that many lines, for weak machines and lines; `codec=av1` sends camera and screen in that codec.
// SPDX-License-Identifier: Apache-2.0
import type { VideoCodec } from '@conclave/sdk';
import { createStore } from './store';

export interface RoomRoute {
  page: 'room';
  room: string;
  name: string | null;
  join: boolean;
  audio: boolean;
  video: boolean;
  lines: number;
  /** Null: the SDK's choice. */
  codec: VideoCodec | null;
}

export type Route = { page: 'home' } | RoomRoute;

const LINES = [180, 360, 720, 1080];
const CODECS: VideoCodec[] = ['vp8', 'vp9', 'av1', 'h264'];

/** Room names of the protocol: 1..64 of a-z 0-9 - _ . that begin with a letter or digit. */
export function roomName(text: string): string {
  return text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[\s/]+/g, '-')
    .replace(/[^a-z0-9._-]/g, '')
    .replace(/^[._-]+/, '')
    .slice(0, 64);
}

export function parseRoute(url: URL): Route {
  const match = /^\/r\/([^/]+)\/?$/.exec(url.pathname);
  let room = '';
  try {
    room = match ? roomName(decodeURIComponent(match[1]!)) : '';
  } catch {
    // a broken escape is no room
  }
  if (!room) return { page: 'home' };
  const query = url.searchParams;
  return {
    page: 'room',
    room,
    name: query.get('name')?.trim().slice(0, 64) || null,
    join: query.get('join') === '1',
    audio: query.get('audio') !== '0',
    video: query.get('video') !== '0',
    lines: LINES.find((lines) => String(lines) === query.get('res')) ?? 720,
    codec: CODECS.find((codec) => codec === query.get('codec')) ?? null,
  };
}

export const route = createStore<Route>(parseRoute(new URL(location.href)));

export function navigate(path: string): void {
  history.pushState(null, '', path);
  route.set(parseRoute(new URL(location.href)));
  window.scrollTo(0, 0);
}

window.addEventListener('popstate', () => route.set(parseRoute(new URL(location.href))));

const FIRST = ['quiet', 'amber', 'early', 'north', 'silver', 'open', 'green', 'bright', 'calm', 'winter'];
const SECOND = ['harbour', 'garden', 'lantern', 'meadow', 'library', 'orchard', 'bridge', 'atelier', 'summit', 'river'];

/** A name that is easy to say and not easy to guess by accident. */
export function suggestRoom(random: () => number = Math.random): string {
  const pick = (list: string[]) => list[Math.floor(random() * list.length)]!;
  return `${pick(FIRST)}-${pick(SECOND)}-${100 + Math.floor(random() * 900)}`;
}
