// The HTTP client of authd against a fake one.
// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConclaveClient } from '../src/client.js';
import { AuthClient } from '../src/auth.js';
import { fromBase64url, fromBigInt, toBase64url, toBigInt, utf8 } from '../src/bytes.js';
import { GROUPS } from '../src/srp.js';

type Handler = (body: Record<string, unknown>, headers: Record<string, string>) => [number, unknown];
let routes: Record<string, Handler>;
let calls: { route: string; body: Record<string, unknown> }[];

const fakeFetch = (async (input: string, init: RequestInit) => {
  const route = `${init.method} ${new URL(input).pathname}`;
  const body = init.body ? (JSON.parse(String(init.body)) as Record<string, unknown>) : {};
  calls.push({ route, body });
  const [status, json] = routes[route]!(body, init.headers as Record<string, string>);
  return new Response(status === 204 ? null : JSON.stringify(json), { status });
}) as unknown as typeof fetch;

const client = () => new AuthClient({ baseUrl: 'http://test', fetch: fakeFetch, stretch: async (p) => p });
const tokens = (n: number, expires_in = 600) => ({ access_token: `t${n}`, expires_in, refresh_token: `r${n}` });

beforeEach(() => {
  vi.useFakeTimers();
  calls = [];
  let n = 1;
  routes = {
    'POST /v1/guests': (b) => [201, { ...tokens(0), guest: { id: 'g_1', name: b['name'] } }],
    'POST /v1/token': () => [200, tokens(n++)],
    'GET /v1/me': () => [200, { user: { id: 'u_1', username: 'ada', display_name: 'Ada', roles: [] } }],
    'GET /v1/ice-servers': (_b, h) => [200, { ice_servers: [{ urls: 'turn:x', username: h['Authorization'] }], expires_in: 60 }],
    'POST /v1/logout': () => [204, null],
  };
});
afterEach(() => vi.useRealTimers());

describe('a guest', () => {
  it('gets a token and keeps the refresh token in memory', async () => {
    const auth = client();
    await auth.guest('Ada');
    expect(await auth.token()).toBe('t0');
    expect(auth.displayName).toBe('Ada');
    expect(await auth.token({ refresh: true })).toBe('t1');
    expect(calls.at(-1)!.body).toEqual({ refresh_token: 'r0' });
  });

  it('has their token renewed a minute before it ends', async () => {
    const auth = client();
    await auth.guest('Ada');
    await vi.advanceTimersByTimeAsync(539_000);
    expect(calls).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(calls.at(-1)!.route).toBe('POST /v1/token');
    expect(await auth.token()).toBe('t1');
    auth.dispose();
  });

  it('never uses a refresh token twice when two callers renew at once', async () => {
    const auth = client();
    await auth.guest('Ada');
    expect(await Promise.all([auth.token({ refresh: true }), auth.token({ refresh: true })])).toEqual(['t1', 't1']);
    expect(calls.filter((c) => c.route === 'POST /v1/token')).toHaveLength(1);
    auth.dispose();
  });

  it('is told when the session has ended', async () => {
    const auth = client();
    await auth.guest('Ada');
    routes['POST /v1/token'] = () => [401, { error: 'refresh-reused', detail: 'x' }];
    let expired = 0;
    auth.on('expired', () => expired++);
    await expect(auth.token({ refresh: true })).rejects.toMatchObject({ code: 'refresh-reused' });
    expect(expired).toBe(1);
    expect(auth.signedIn).toBe(false);
  });

  it('is the same guest again after a reload, by the refresh token', async () => {
    routes['GET /v1/me'] = () => [200, { guest: { id: 'g_1', name: 'Ada' } }];
    const before = client();
    let kept: string | null = null;
    before.on('changed', () => (kept = before.refreshToken));
    await before.guest('Ada');
    await before.token({ refresh: true });
    expect(kept).toBe('r1');
    before.dispose();
    const after = client();
    expect(await after.restore(kept!)).toBe(true);
    expect(after.guestIdentity).toEqual({ id: 'g_1', name: 'Ada' });
    expect(calls.filter((c) => c.route === 'POST /v1/guests')).toHaveLength(1);
    expect(after.refreshToken).toBe('r2');
    after.dispose();
  });

  it('is not restored by a refused token, and may try again when the server is away', async () => {
    routes['POST /v1/token'] = () => [401, { error: 'refresh-expired', detail: 'x' }];
    expect(await client().restore('r0')).toBe(false);
    routes['POST /v1/token'] = () => [503, { error: 'unavailable', detail: 'x' }];
    await expect(client().restore('r0')).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('gets TURN credentials with the access token', async () => {
    const auth = client();
    await auth.guest('Ada');
    expect((await auth.iceServers()).ice_servers[0]!.username).toBe('Bearer t0');
  });
});

describe('a user', () => {
  it('registers a verifier, never the password', async () => {
    routes['POST /v1/register'] = (b) => [201, { user: { id: 'u_1', username: b['username'], display_name: 'Ada', roles: [] } }];
    await client().register('Ada', 'secret pass', 'Ada');
    const { body } = calls[0]!;
    expect(body).toMatchObject({ username: 'ada', group: '3072', kdf: { name: 'argon2id', memory_kib: 19456, iterations: 2, parallelism: 1 } });
    expect(fromBase64url(String(body['verifier']))).toHaveLength(384);
    expect(fromBase64url(String(body['salt']))).toHaveLength(16);
    expect(JSON.stringify(body)).not.toContain(toBase64url(utf8('secret pass')));
  });

  it('refuses a server that cannot prove itself', async () => {
    routes['POST /v1/login/start'] = () => [200, start()];
    routes['POST /v1/login/finish'] = () => [200, { M2: toBase64url(new Uint8Array(32)), ...tokens(0), user: {} }];
    const auth = client();
    await expect(auth.login('ada', 'x')).rejects.toMatchObject({ code: 'server-proof' });
    expect(auth.signedIn).toBe(false);
  });

  it('refuses parameters that would make guessing cheap', async () => {
    routes['POST /v1/login/start'] = () => [200, { ...start(), kdf: { name: 'argon2id', memory_kib: 8, iterations: 1, parallelism: 1 } }];
    await expect(client().login('ada', 'x')).rejects.toMatchObject({ code: 'bad-parameters' });
    expect(calls).toHaveLength(1);
  });

  it('comes back after a reload by the cookie, and logs out', async () => {
    const auth = client();
    expect(await auth.restore()).toBe(true);
    expect(auth.displayName).toBe('Ada');
    expect(calls[0]).toEqual({ route: 'POST /v1/token', body: {} });
    await auth.logout();
    expect(auth.signedIn).toBe(false);
    expect(calls.at(-1)!.route).toBe('POST /v1/logout');
  });
});

describe('errors', () => {
  it('carry the stable identifier and the sentence', async () => {
    routes['POST /v1/guests'] = () => [403, { error: 'guests-disabled', detail: 'This server has no guests.' }];
    await expect(client().guest('Ada')).rejects.toMatchObject({ code: 'guests-disabled', message: 'This server has no guests.' });
  });

  it('say that the server cannot be reached', async () => {
    const auth = new AuthClient({ baseUrl: 'http://test', fetch: () => Promise.reject(new TypeError('x')) });
    await expect(auth.guest('Ada')).rejects.toMatchObject({ code: 'network' });
  });
});

function start() {
  const { N, size } = GROUPS['3072']!;
  return {
    login: 'l_1',
    salt: toBase64url(new Uint8Array(16)),
    B: toBase64url(fromBigInt(toBigInt(utf8('anything')) % N, size)),
    group: '3072',
    kdf: { name: 'argon2id', memory_kib: 19456, iterations: 2, parallelism: 1 },
  };
}

describe('a page of another origin', () => {
  beforeEach(() => vi.stubGlobal('location', new URL('http://app.test')));
  afterEach(() => vi.unstubAllGlobals());

  it('does not count on a cookie', async () => {
    const auth = client();
    expect(await auth.restore()).toBe(false);
    await expect(auth.guest('Ada', { cookie: true })).rejects.toMatchObject({ code: 'bad-request' });
    await expect(auth.login('ada', 'secret', { cookie: true })).rejects.toMatchObject({ code: 'bad-request' });
    expect(calls).toEqual([]);
    expect(await auth.restore('r7')).toBe(true);
    expect(calls[0]!.body).toEqual({ refresh_token: 'r7' });
    auth.dispose();
  });
});

describe('wrong arguments', () => {
  it('are refused by an error of ours', async () => {
    const auth = client() as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    for (const call of [() => auth['guest']!(), () => auth['login']!('ada'), () => auth['login']!(7, 'x'), () => auth['register']!(undefined, 'x')]) {
      await expect(call()).rejects.toMatchObject({ name: 'ConclaveError', code: 'bad-request' });
    }
    expect(calls).toEqual([]);
    for (const url of ['meet.example.org', 'ws://meet.example.org', '']) expect(() => new ConclaveClient({ url })).toThrow('like https://meet.example.org');
    expect(() => new ConclaveClient({ url: 'https://meet.example.org/' }).room(undefined as unknown as string)).toThrow('is a string');
  });
});
