// What a media node tells of a call on its admin port, while bots are in it.
// SPDX-License-Identifier: Apache-2.0
import { expect, test } from '@playwright/test';

import { Bots, killBots } from '../lib/bots.js';
import { cluster, freshRoom } from '../lib/cluster.js';

// What docs/statistics.md says; only some of it is looked at.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Json = Record<string, any>;

const prefix = freshRoom('statistics');
const room = `default/${prefix}-1`;
let bots: Bots;
let admin: string;

async function get(where: string): Promise<Json | null> {
  const response = await fetch(`${admin}/v1/rooms/${where}`);
  return response.ok ? ((await response.json()) as Json) : null;
}

/** The node that has the room. */
async function nodeOfRoom(): Promise<string | undefined> {
  for (const service of cluster.services()) {
    if (!service.name.startsWith('sfud') || !service.admin) continue;
    const { rooms } = (await (await fetch(`${service.admin}/v1/rooms`)).json()) as Json;
    if (rooms.some((r: Json) => r.room === room && r.participants === 3)) return service.admin;
  }
  return undefined;
}

test.beforeAll(async () => {
  const scenario = `
name: statistics
room-prefix: ${prefix}
joins: 10/s
settle: 1s
duration: 5min
networks:
  slow:
    both: { delay: 20ms, rate: 400kbps, queue: 300ms }
groups:
  cameras: { bots: 2, talk: always, video: vp8, layers: [180, 360, 720], audio-slots: 2, video-slots: 2, watch-size: 640x360 }
  squeezed: { bots: 1, audio-slots: 2, video-slots: 2, watch-size: 1280x720, network: slow }
`;
  bots = Bots.start(scenario, ['--url', cluster.url], { timeout: 200_000 });
  await expect.poll(async () => (admin = (await nodeOfRoom()) ?? ''), { timeout: 60_000 }).not.toBe('');
});

test.afterAll(killBots);

async function participants(): Promise<Json[]> {
  return (await get(room))?.participants ?? [];
}

test('each transport is told with its path, its times and what flows', async () => {
  await expect.poll(async () => (await participants()).filter((p) => p.state === 'connected' && p.score !== null).length, { timeout: 30_000 }).toBe(3);
  for (const p of await participants()) {
    expect(p.path.protocol).toBe('udp');
    expect(p.suite).toMatch(/^AEAD_AES_/);
    expect(p.join.dtls_ms).toBeGreaterThan(0);
    expect(p.rtt_ms).not.toBeNull();
    expect(p.out.packets).toBeGreaterThan(10);
    expect(p.bandwidth).toMatchObject({ controlled: true, feedback: true });
  }
});

test('who is squeezed is told so: estimate, layers, score; the others are well', async () => {
  const squeezed = async () => (await participants()).find((p) => p.bandwidth.estimate_bps < 450_000 && p.bandwidth.demand_bps > 1_500_000);
  await expect.poll(async () => (await squeezed())?.score, { timeout: 60_000 }).toBeLessThan(4);
  const who = (await squeezed())!;
  expect(who.bandwidth.allocated_bps).toBeLessThan(who.bandwidth.estimate_bps);
  const { slots } = (await get(`${room}/participants/${who.participant}`))!;
  const videos = slots.filter((s: Json) => s.kind === 'video' && s.shows !== null);
  expect(videos).toHaveLength(2);
  for (const s of videos) expect(s.paused || s.target.spatial === 0, JSON.stringify(s)).toBe(true);
  const others = (await participants()).filter((p) => p.participant !== who.participant);
  for (const p of others) {
    expect(p.score).toBeGreaterThanOrEqual(4);
    const { tracks } = (await get(`${room}/participants/${p.participant}`))!;
    const camera = tracks.find((t: Json) => t.source === 'camera');
    expect(camera).toMatchObject({ slots: 2, told_layer: 2 });
    expect(camera.encodings.map((e: Json) => e.active)).toEqual([true, true, true]);
  }
});

test('the headers of the last packets are a capture of RTP without payload', async () => {
  const [one] = await participants();
  const response = await fetch(`${admin}/v1/rooms/${room}/participants/${one!.participant}/packets.pcap`);
  const file = Buffer.from(await response.arrayBuffer());
  expect(response.headers.get('content-type')).toBe('application/vnd.tcpdump.pcap');
  let count = 0, rtp = 0;
  for (let at = 24; at < file.length; count += 1) {
    const kept = file.readUInt32BE(at + 8), length = file.readUInt32BE(at + 12);
    const payload = file.subarray(at + 16 + 28, at + 16 + kept);
    expect(kept).toBeLessThanOrEqual(28 + 48);
    if (payload[0]! >> 6 === 2 && !(payload[1]! >= 192 && payload[1]! <= 223)) {
      rtp += 1;
      const extension = payload[0]! & 0x10 ? 4 + 4 * payload.readUInt16BE(14) : 0;
      expect(payload.length).toBe(Math.min(12 + extension, 48));
      expect(length).toBeGreaterThan(kept);
    }
    at += 16 + kept;
  }
  expect(count).toBe(128);
  expect(rtp).toBeGreaterThan(60);
});
