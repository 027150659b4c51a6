// Bad input gets a clear error with a stable id, and every daemon goes on.
// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync } from 'node:crypto';

import { expect, test } from '@playwright/test';

import { cluster, freshRoom } from '../lib/cluster.js';
import { chromiumOffer, guestToken, type Message, offerSources, RawClient } from '../lib/raw.js';
import { authdKey, reissue } from '../lib/tokens.js';

let before: { name: string; pid: number | null }[];

test.beforeAll(() => {
  before = cluster.services().map(({ name, pid }) => ({ name, pid }));
});

test.afterAll(() => {
  const after = cluster.services();
  expect(after.map(({ name, pid }) => ({ name, pid })), 'every daemon is the same process as before').toEqual(before);
  expect(after.filter((s) => s.state !== 'ready')).toEqual([]);
});

async function joinError(fields: Message): Promise<Message> {
  const client = await RawClient.connect();
  const answer = await client.request('join', { token: await guestToken(), room: freshRoom('err'), sdp: chromiumOffer(), sources: offerSources, ...fields });
  client.close();
  return answer;
}

test('a forged token is refused', async () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const answer = await joinError({ token: reissue(await guestToken(), {}, privateKey) });
  expect(answer).toMatchObject({ op: 'error', error: 'bad-token' });
  expect(answer.message.length).toBeGreaterThan(10);
});

test('a token without a signature is refused', async () => {
  const [, payload] = (await guestToken()).split('.');
  const header = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT' })).toString('base64url');
  expect(await joinError({ token: `${header}.${payload}.` })).toMatchObject({ op: 'error', error: 'bad-token' });
});

test('an expired token is refused, and says so', async () => {
  const hourAgo = Math.floor(Date.now() / 1000) - 3600;
  const answer = await joinError({ token: reissue(await guestToken(), { iat: hourAgo - 900, exp: hourAgo }, authdKey()) });
  expect(answer).toMatchObject({ op: 'error', error: 'token-expired' });
});

test('a malformed SDP is refused with the line and the reason, and nobody sees a ghost', async () => {
  const room = freshRoom('sdp');
  const watcher = await RawClient.connect();
  expect(await watcher.join(room, 'Watcher')).toMatchObject({ op: 'joined' });
  for (const sdp of ['', 'hello', 'v=0\r\n', chromiumOffer().replace(/a=fingerprint:.*\r?\n/g, ''), chromiumOffer().replace(/a=rtpmap:(\d+)/, 'a=rtpmap:x$1')]) {
    const client = await RawClient.connect();
    const answer = await client.request('join', { token: await guestToken('Ghost'), room, sdp, sources: offerSources });
    expect(answer.op).toBe('error');
    expect(answer.error).toMatch(/^bad-(sdp|message)$/);
    expect(answer.message.length).toBeGreaterThan(10);
    client.close();
  }
  const friend = await RawClient.connect();
  const joined = await friend.join(room, 'Friend');
  expect(joined.participants.map((p: Message) => p.name).sort()).toEqual(['Friend', 'Watcher']);
  watcher.close();
  friend.close();
});

test('a message of 1 MB is refused and the socket closed with 1009', async () => {
  const client = await RawClient.connect();
  client.sendRaw(JSON.stringify({ op: 'chat', id: 1, text: 'x'.repeat(1_000_000) }));
  expect(await client.expect((m) => m.op === 'error')).toMatchObject({ error: 'message-too-big' });
  expect(await client.closed()).toBe(1009);
});

test('a binary frame is refused and the socket closed with 1003', async () => {
  const client = await RawClient.connect();
  client.sendRaw(Buffer.from([0, 1, 2, 3]));
  expect(await client.expect((m) => m.op === 'error')).toMatchObject({ error: 'binary-not-supported' });
  expect(await client.closed()).toBe(1003);
});

test('an unknown operation, no JSON, a wrong field, the wrong moment: each its own error, and the socket stays', async () => {
  const client = await RawClient.connect();
  expect(await client.request('dance')).toMatchObject({ op: 'error', error: 'unknown-op' });
  client.sendRaw('{ not json');
  expect(await client.expect((m) => m.op === 'error')).toMatchObject({ error: 'bad-json' });
  client.sendRaw('[1,2,3]');
  expect(await client.expect((m) => m.op === 'error')).toMatchObject({ error: 'bad-json' });
  expect(await client.request('join', { token: 7 })).toMatchObject({ error: 'bad-message' });
  expect(await client.request('chat', { text: 'hi' })).toMatchObject({ error: 'not-joined' });
  expect(await client.join(freshRoom('moment'))).toMatchObject({ op: 'joined' });
  expect(await client.request('join', { token: await guestToken(), room: 'x', sdp: chromiumOffer(), sources: offerSources })).toMatchObject({ error: 'already-joined' });
  expect(await client.request('mute', { source: 'microphone', muted: true, participant: 'p_nobody' })).toMatchObject({ op: 'error', error: 'not-found' });
  expect(await client.request('ping')).toMatchObject({ op: 'pong' });
  client.close();
});

for (const [what, room] of Object.entries({ 'control characters': 'a\u0001\u0007b', 'nothing': '', 'a path': '../../etc', '300 characters': 'r'.repeat(300) })) {
  test(`a room name of ${what} is refused`, async () => {
    expect(await joinError({ room })).toMatchObject({ op: 'error', error: 'bad-room-name' });
  });
}

test('a member may not moderate', async () => {
  const room = freshRoom('member');
  const [first, second] = [await RawClient.connect(), await RawClient.connect()];
  const host = await first.join(room, 'Host');
  const member = await second.join(room, 'Member');
  expect([host.role, member.role]).toEqual(['moderator', 'member']);
  expect(await second.request('mute', { participant: host.participant, source: 'microphone', muted: true })).toMatchObject({ error: 'forbidden' });
  expect(await second.request('remove', { participant: host.participant })).toMatchObject({ error: 'forbidden' });
  expect(await first.request('remove', { participant: member.participant })).toMatchObject({ op: 'ok' });
  expect(await second.expect((m) => m.op === 'closing')).toMatchObject({ reason: 'removed' });
  expect(await second.closed()).toBe(4403);
  first.close();
});

test('a flood is slowed, then ended', async () => {
  const client = await RawClient.connect();
  await client.join(freshRoom('flood'));
  for (let id = 1000; id < 3000 && client.closeCode === undefined; id++) client.sendRaw(JSON.stringify({ op: 'ping', id }));
  expect(await client.expect((m) => m.error === 'rate-limited')).toHaveProperty('retry_after_ms');
  expect(await client.closed()).toBe(4429);
});

test('a resume token works once, and never after it was replaced', async () => {
  const room = freshRoom('resume');
  const first = await RawClient.connect();
  const joined = await first.join(room, 'Phoenix');
  first.close();
  const second = await RawClient.connect();
  const resumed = await second.request('resume', { resume: joined.resume, seq: joined.seq });
  expect(resumed).toMatchObject({ op: 'resumed', participant: joined.participant });
  const thief = await RawClient.connect();
  expect(await thief.request('resume', { resume: joined.resume, seq: joined.seq })).toMatchObject({ error: 'resume-expired' });
  expect(await thief.request('resume', { resume: 'nonsense', seq: 0 })).toMatchObject({ op: 'error', error: 'resume-expired' });
  second.close();
  thief.close();
});

test('the HTTP API answers with problems that have stable ids', async () => {
  const post = (where: string, body: unknown, headers = {}) =>
    fetch(cluster.url + where, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: typeof body === 'string' ? body : JSON.stringify(body) });
  const cases: [Promise<Response>, number, string][] = [
    [post('/v1/guests', { name: 'a\u0001b' }), 400, 'bad-name'],
    [post('/v1/guests', '{'), 400, 'bad-request'],
    [post('/v1/guests', 'x'.repeat(200_000)), 413, 'body-too-large'],
    [post('/v1/token', { refresh_token: 'nonsense' }), 401, 'refresh-expired'],
    [fetch(`${cluster.url}/v1/nothing`), 404, 'not-found'],
    [fetch(`${cluster.url}/v1/guests`), 405, 'method-not-allowed'],
    [fetch(`${cluster.url}/v1/me`), 401, 'bad-token'],
    [fetch(`${cluster.url}/v1/me`, { headers: { authorization: 'Bearer nonsense' } }), 401, 'bad-token'],
  ];
  for (const [request, status, error] of cases) {
    const response = await request;
    expect.soft(response.status, error).toBe(status);
    expect.soft(response.headers.get('content-type'), error).toContain('application/problem+json');
    expect.soft(await response.json()).toMatchObject({ error, status });
  }
});

test('pages carry the headers that browsers need to protect people', async () => {
  const page = await fetch(`${cluster.url}/r/some-room`);
  expect(page.status).toBe(200);
  expect(page.headers.get('content-type')).toContain('text/html');
  expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
  expect(page.headers.get('x-content-type-options')).toBe('nosniff');
  const asset = /assets\/[\w.-]+\.js/.exec(await page.text())![0];
  const script = await fetch(`${cluster.url}/${asset}`);
  expect(script.headers.get('content-type')).toContain('javascript');
  expect(script.headers.get('cache-control')).toContain('immutable');
  expect((await fetch(`${cluster.url}/no/such/page`)).status).toBe(404);
  expect((await fetch(`${cluster.url}/assets/..%2f..%2f..%2fetc/passwd`)).status).toBeGreaterThanOrEqual(400);
});
