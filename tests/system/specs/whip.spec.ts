// WHIP and WHEP: GStreamer and browsers see and hear each other; bad requests are refused; nothing is left behind.
// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { expect, test } from '@playwright/test';

import { Caller } from '../lib/caller.js';
import { cluster, freshRoom, ROOT } from '../lib/cluster.js';
import { Gst } from '../lib/gst.js';
import { guestToken, RawClient } from '../lib/raw.js';
import { glances, toneOf } from '../lib/senses.js';
import { authdKey, reissue } from '../lib/tokens.js';

const vector = (name: string): string => readFileSync(path.join(ROOT, 'tests/vectors/sdp', name), 'utf8');
const services = (kind: string): string[] => cluster.services().map((s) => s.name).filter((n) => n.startsWith(kind));

async function total(kind: string, metric: string): Promise<number> {
  const values = await Promise.all(services(kind).map((name) => cluster.metric(name, metric)));
  return values.reduce((sum, v) => sum + v, 0);
}

const participants = () => total('sfud', 'sfud_participants');
const doors = () => total('signald', 'signald_doors');

async function post(url: string, sdp: string, token?: string, type = 'application/sdp'): Promise<Response> {
  return fetch(`${cluster.url}${url}`, {
    method: 'POST',
    headers: { 'content-type': type, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    body: sdp,
  });
}

let before: { participants: number; doors: number };

test.beforeAll(async () => {
  await expect.poll(participants, { timeout: 45_000, message: 'those of the specs before have gone' }).toBe(0);
  before = { participants: await participants(), doors: await doors() };
});

test.afterAll(async () => {
  await expect.poll(doors, { message: 'every session has ended' }).toBe(before.doors);
  await expect.poll(participants, { timeout: 40_000, message: 'every transport has gone' }).toBe(before.participants);
});

for (const codec of ['vp8', 'h264']) {
  test(`a page sees and hears what GStreamer publishes in ${codec}`, async () => {
    const room = freshRoom('whip');
    const page = await Caller.join(room, 'Page', { query: 'res=360' });
    const gst = await Gst.start('publish', room, 'Encoder', ['--codec', codec, '--tone', '1000']);
    await page.expectMediaOf('Encoder');
    const looks = await glances(page, 'Encoder', 8, 250);
    expect(looks.at(-1)).toMatchObject({ width: 640, height: 360 });
    expect(new Set(looks.map((l) => l.deviation.toFixed(3))).size, 'the picture changes').toBeGreaterThan(1);
    await expect.poll(async () => Math.round(((await toneOf(page, 'Encoder'))?.hz ?? 0) / 50) * 50).toBe(1000);
    expect(await gst.end()).toBe(200);
    await expect(page.tile('Encoder')).toHaveCount(0);
    await page.close();
  });

  test(`GStreamer watches what GStreamer publishes in ${codec}`, async () => {
    const room = freshRoom('whep');
    const encoder = await Gst.start('publish', room, 'Encoder', ['--codec', codec]);
    const viewer = await Gst.start('watch', room, 'Viewer', ['--codec', codec]);
    await viewer.expectMedia(/^640x360$/);
    expect([await viewer.end(), await encoder.end()]).toEqual([200, 200]);
  });
}

test('GStreamer watches a page, and only whom it asked for', async () => {
  const room = freshRoom('whep');
  const page = await Caller.join(room, 'Page', { query: 'res=360' });
  const encoder = await Gst.start('publish', room, 'Encoder', ['--size', '320x240', '--no-audio']);
  const [whoever, pinned] = await Promise.all([Gst.start('watch', room, 'Any'), Gst.start('watch', room, 'Pinned', ['--no-audio'], '?participant=Encoder')]);
  await whoever.expectMedia(/^(640x360|320x180)$/);
  await expect.poll(() => pinned.watched.size?.join('x'), { timeout: 30_000 }).toBe('320x240');
  for (const gst of [whoever, pinned, encoder]) expect(await gst.end()).toBe(200);
  await page.close();
});

test('who publishes by WHIP and vanishes is shown as lost until they are back, and nobody else is', async () => {
  const room = freshRoom('whip');
  const witness = await RawClient.connect();
  await witness.join(room, 'Witness');
  const page = await Caller.join(room, 'Page', { query: 'res=180' });
  const viewer = await Gst.start('watch', room, 'Viewer', ['--no-audio']); // sends no checks, and a report every few seconds
  const encoder = await Gst.start('publish', room, 'Encoder', ['--size', '320x240', '--no-audio']);
  await expect(page.tile('Encoder')).toHaveAttribute('data-connected', 'true');
  encoder.vanish(); // soon after its checks, which end with the connection's beginning: noticed after 5 s, later after 15 s
  await expect(page.tile('Encoder')).toHaveAttribute('data-connected', 'false', { timeout: 15_000 });
  await expect(page.tile('Encoder').getByTestId('tile-lost')).toBeVisible();
  encoder.goOn();
  await expect(page.tile('Encoder')).toHaveAttribute('data-connected', 'true', { timeout: 5_000 });
  await expect(page.tile('Encoder').getByTestId('tile-lost')).toHaveCount(0);
  const frames = viewer.watched.frames;
  await expect.poll(() => viewer.watched.frames, { timeout: 30_000, message: 'pictures come again' }).toBeGreaterThan(frames + 5);
  const told = witness.drain().filter((m) => m.op === 'participant-updated');
  const lost = told.filter((m) => !m.participant.connected).map((m) => m.participant.name);
  expect(lost).toEqual(['Encoder']);
  expect([await viewer.end(), await encoder.end()]).toEqual([200, 200]);
  witness.close();
  await page.close();
});

test('others are told who came by WHIP and that they left; a moderator may remove them', async () => {
  const room = freshRoom('whip');
  const watcher = await RawClient.connect();
  expect(await watcher.join(room, 'Watcher')).toMatchObject({ op: 'joined', role: 'moderator' });
  const come = async (): Promise<[string, string]> => {
    const answer = await post(`/whip/${room}`, vector('obs-offer.sdp'), await guestToken('Studio'));
    expect(answer.status).toBe(201);
    expect(answer.headers.get('content-type')).toBe('application/sdp');
    expect(answer.headers.get('etag')).toMatch(/^"[0-9a-f]{16}"$/);
    expect(answer.headers.get('link')).toMatch(/<turn:[^>]+>; rel="ice-server"; username="[^"]+"; credential="[^"]+"/);
    expect(await answer.text()).toContain('a=candidate:');
    const joined = await watcher.expect((m) => m.op === 'participant-joined');
    expect(joined.participant).toMatchObject({ name: 'Studio', kind: 'guest', role: 'member' });
    const published = await watcher.expect((m) => m.op === 'participant-updated' && m.participant.tracks.length === 2);
    expect(published.participant.tracks).toMatchObject([{ source: 'microphone', muted: false }, { source: 'camera', muted: false }]);
    return [joined.participant.id, new URL(answer.headers.get('location')!, cluster.url).href];
  };
  const [first, url] = await come();
  expect((await fetch(url, { method: 'DELETE' })).status).toBe(200);
  expect(await watcher.expect((m) => m.op === 'participant-left')).toMatchObject({ participant: first, reason: 'left' });
  const [second, other] = await come();
  watcher.sendRaw(JSON.stringify({ op: 'remove', id: 99, participant: second }));
  expect(await watcher.expect((m) => m.op === 'participant-left')).toMatchObject({ participant: second, reason: 'removed' });
  expect((await fetch(other, { method: 'DELETE' })).status).toBe(404);
  watcher.close();
});

test('a session answers at every signald, and ends once', async () => {
  const room = freshRoom('whip');
  const answer = await post(`/whip/${room}`, vector('ffmpeg-offer.sdp'), await guestToken('Encoder'));
  const where = answer.headers.get('location')!;
  const etag = answer.headers.get('etag')!;
  // Past the load balancer: one of the two does not have it.
  const ports = readFileSync(path.join(cluster.data, 'etc/ports'), 'utf8');
  const urls = [1, 2].map((i) => `http://127.0.0.1:${new RegExp(`^signald_${i}=(\\d+)`, 'm').exec(ports)![1]}${where}`);
  const patch = (url: string, match: string | undefined, type = 'application/trickle-ice-sdpfrag') =>
    fetch(url, { method: 'PATCH', headers: { 'content-type': type, ...(match === undefined ? {} : { 'if-match': match }) }, body: 'a=end-of-candidates\r\n' });
  for (const url of urls) {
    expect((await patch(url, etag)).status).toBe(204);
    expect((await patch(url, '"0"')).status).toBe(412);
    expect((await patch(url, undefined)).status).toBe(428);
    expect((await patch(url, etag, 'text/plain')).status).toBe(415);
    expect((await fetch(`${url}A`, { method: 'DELETE' })).status).toBe(404);
  }
  const statuses = [];
  for (const url of [urls[1]!, urls[0]!, urls[1]!]) statuses.push((await fetch(url, { method: 'DELETE' })).status);
  expect(statuses[0]).toBe(200);
  expect(statuses[2]).toBe(404);
  expect((await patch(urls[0]!, etag)).status).toBe(404);
});

test('requests that cannot be are refused with a stable id', async () => {
  const token = await guestToken('Encoder');
  const offer = vector('obs-offer.sdp');
  const room = `/whip/${freshRoom('err')}`;
  const grant = { room: '*', publish: ['microphone'], subscribe: false, moderate: false, admin: false };
  const poor = reissue(token, { grant }, authdKey());
  const cases: [Promise<Response>, number, string][] = [
    [post(room, offer), 401, 'bad-token'],
    [post(room, offer, `${token}x`), 401, 'bad-token'],
    [post(room, offer, reissue(token, { iat: 1, exp: 2 }, authdKey())), 401, 'token-expired'],
    [post(room, offer, poor), 403, 'forbidden'],
    [post(room.replace('whip', 'whep'), vector('gst-whep.sdp'), poor), 403, 'forbidden'],
    [post(room, 'v=0\r\nhello\r\n', token), 400, 'bad-sdp'],
    [post(room, '', token), 400, 'bad-sdp'],
    [post(room, offer.replace(/a=rtcp-mux\r\n/g, ''), token), 400, 'bad-sdp'],
    [post(room, vector('gst-whep.sdp'), token), 400, 'bad-sdp'],
    [post(room, offer, token, 'application/json'), 415, 'bad-content-type'],
    [post(room, offer + 'a=x\r\n'.repeat(20_000), token), 413, 'body-too-large'],
    [post('/whip/No%20room', offer, token), 400, 'bad-room-name'],
    [fetch(`${cluster.url}${room}`), 405, 'method-not-allowed'],
    [fetch(`${cluster.url}${room}/nothing`, { method: 'DELETE' }), 404, 'not-found'],
  ];
  for (const [asked, status, error] of cases) {
    const answer = await asked;
    const problem = await answer.json();
    expect([answer.status, problem.error, answer.headers.get('content-type')], JSON.stringify(problem)).toEqual([status, error, 'application/problem+json']);
  }
  const line = await (await post(room, 'v=0\r\nhello\r\n', token)).json();
  expect(line.detail).toMatch(/^line 2: /);
  const asked = await fetch(`${cluster.url}${room}`, { method: 'OPTIONS' });
  expect([asked.status, asked.headers.get('accept-post'), asked.headers.get('access-control-allow-origin')]).toEqual([204, 'application/sdp', null]);
});
