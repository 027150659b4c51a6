// ./dev run as a person uses it: start, Ctrl-C, start again. SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect, test } from '@playwright/test';

import { ROOT } from '../lib/cluster.js';

const data = mkdtempSync(path.join(tmpdir(), 'conclave-life-'));
const build = process.env.CONCLAVE_BUILD ?? path.join(ROOT, 'build/test');

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** Every service has a path in the data directory among its arguments. */
const processes = () =>
  execFileSync('ps', ['axww', '-o', 'pid=,args='], { encoding: 'utf8', maxBuffer: 64 << 20 })
    .split('\n')
    .filter((line) => line.includes(`${data}/`));

async function run(port: number, listen = ''): Promise<ChildProcess> {
  const words = ['run', '--data', data, '--port', String(port), '--build', build, ...(listen ? ['--listen', listen] : [])];
  const child = spawn('./dev', words, { cwd: ROOT, detached: true });
  let output = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr!.on('data', (chunk) => {
      output += chunk;
      if (output.includes('Conclave is ready: ')) resolve();
    });
    child.on('exit', (code) => reject(new Error(`./dev run ended with ${code}\n${output}`)));
  });
  expect(output).toContain(listen ? `https://[${listen}]:${port}` : `http://localhost:${port}`);
  child.removeAllListeners('exit');
  return child;
}

async function controlC(child: ChildProcess): Promise<number | null> {
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  process.kill(-child.pid!, 'SIGINT'); // as a terminal does: to the whole foreground group
  return ended;
}

test.afterAll(() => {
  execFileSync('./dev', ['stop', '--data', data], { cwd: ROOT });
  rmSync(data, { recursive: true, force: true });
});

test('Ctrl-C leaves no process; a second run keeps accounts and the audit log, which verifies', async () => {
  const port = await freePort();
  const first = await run(port);
  const guest = await fetch(`http://localhost:${port}/v1/guests`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":"Ada"}' });
  expect(guest.status).toBe(201);
  const token = ((await guest.json()) as { access_token: string }).access_token;
  const account = { username: 'keeper', salt: Buffer.alloc(16, 1).toString('base64url'), verifier: Buffer.alloc(384, 5).toString('base64url'),
    group: '3072', kdf: { name: 'argon2id', memory_kib: 19456, iterations: 2, parallelism: 1 } };
  const register = () => fetch(`http://localhost:${port}/v1/register`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(account) });
  expect((await register()).status).toBe(201);
  expect(await controlC(first)).toBe(0);
  expect(processes()).toEqual([]);

  const verify = () => execFileSync(path.join(build, 'services/auditd/auditd'), ['--verify', path.join(data, 'auditd')], { encoding: 'utf8' });
  const events = Number(/intact: (\d+) events?/.exec(verify())![1]);
  expect(events).toBeGreaterThanOrEqual(2);

  const second = await run(port);
  expect((await register()).status, 'the account is still there').toBe(409);
  const me = await fetch(`http://localhost:${port}/v1/me`, { headers: { authorization: `Bearer ${token}` } });
  expect(me.status, 'keys survive: an old token is still good').toBe(200);
  expect(await controlC(second)).toBe(0);
  expect(processes()).toEqual([]);
  expect(Number(/intact: (\d+) events?/.exec(verify())![1])).toBeGreaterThanOrEqual(events);
});

test('it serves an IPv6 address, and says at once which it cannot', async () => {
  const port = await freePort();
  const child = await run(port, '::1');
  const page = (path: string) =>
    execFileSync('curl', ['-s', '--cacert', `${data}/etc/tls.crt`, '-o', '/dev/null', '-w', '%{http_code}', `https://[::1]:${port}${path}`], { encoding: 'utf8' });
  expect(page('/')).toBe('200');
  expect(page('/v1/me')).toBe('401');
  expect(await controlC(child)).toBe(0);
  for (const [address, why] of [['fe80::1', 'a link-local address'], ['localhost', 'wants an IP address'], ['2001:db8::1', 'not an address of this machine']] as const) {
    const refused = spawnSync('./dev', ['run', '--data', data, '--build', build, '--listen', address], { cwd: ROOT, encoding: 'utf8' });
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain(why);
  }
});

test('what is secret is for this user only', () => {
  const loose: string[] = [];
  let found = 0;
  const walk = (directory: string) => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      const file = path.join(directory, entry.name);
      if (entry.isDirectory()) walk(file);
      else if (/key|secret|coturn\.conf|\.pem/.test(entry.name)) {
        found += 1;
        if ((statSync(file).mode & 0o077) !== 0) loose.push(file);
      }
    }
  };
  walk(data);
  expect(loose).toEqual([]);
  expect(found, 'the keys of authd, and what coturn shares with it').toBeGreaterThanOrEqual(3);
});
