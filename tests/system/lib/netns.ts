// A network of one's own for a browser: a namespace with two links to this machine, of which either may be taken down.
// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';

import { type Browser } from '@playwright/test';

import { launchChromium } from './browser.js';

const ip = (...words: string[]) => execFileSync('ip', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

export class Namespace {
  readonly #name = `ccns${process.pid % 100_000}`;
  readonly #net = `10.${100 + (process.pid % 100)}`;
  readonly #directory = mkdtempSync(path.join(tmpdir(), 'conclave-netns-'));
  #proxy: Server | null = null;

  /** Why this machine cannot have one; null: it can. */
  static obstacle(): string | null {
    if (process.getuid?.() !== 0) return 'making network namespaces takes root';
    const reachable = Object.values(networkInterfaces()).flat().some((a) => a?.family === 'IPv4' && !a.internal);
    if (!reachable) return 'the media node has no address but loopback';
    try {
      ip('netns', 'add', 'conclave-try');
      ip('netns', 'del', 'conclave-try');
      return null;
    } catch {
      return 'this machine does not let us make network namespaces';
    }
  }

  /** Links 1 and 2; both are down. */
  async open(): Promise<void> {
    ip('netns', 'add', this.#name);
    ip('-n', this.#name, 'link', 'set', 'lo', 'up');
    for (const n of [1, 2]) {
      const [here, there] = this.#links(n);
      ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there);
      ip('link', 'set', there, 'netns', this.#name);
      // No IPv6 address of their own: it would become valid a second after the link came up, and Chromium takes that for
      // another network and gives up the page that it is loading.
      ip('link', 'set', here, 'addrgenmode', 'none');
      ip('-n', this.#name, 'link', 'set', there, 'addrgenmode', 'none');
      ip('addr', 'add', `${this.#net}.${n}.1/24`, 'dev', here);
      ip('link', 'set', here, 'up');
    }
  }

  #links(n: number): [string, string] {
    return [`${this.#name}h${n}`, `${this.#name}n${n}`];
  }

  /** The link gets its address, and the way to everything else. */
  up(n: number): void {
    const there = this.#links(n)[1];
    ip('-n', this.#name, 'link', 'set', there, 'up');
    ip('-n', this.#name, 'addr', 'replace', `${this.#net}.${n}.2/24`, 'dev', there);
    ip('-n', this.#name, 'route', 'replace', 'default', 'via', `${this.#net}.${n}.1`, 'dev', there, 'metric', String(100 + n));
  }

  down(n: number): void {
    ip('-n', this.#name, 'link', 'set', this.#links(n)[1], 'down');
  }

  /** A browser inside, for which localhost:port is this machine's, over whichever link there is. */
  async launch(port: number): Promise<Browser> {
    const outside = Object.values(networkInterfaces()).flat().find((a) => a?.family === 'IPv4' && !a.internal && !a.address.startsWith(this.#net))!.address;
    const proxy = (this.#proxy = createServer((client) => {
      const server = connect(port, '127.0.0.1');
      client.pipe(server).pipe(client);
      for (const [a, b] of [[client, server], [server, client]] as const) a.on('error', () => b.destroy());
    }));
    await new Promise<void>((resolve) => proxy.listen(0, outside, resolve));
    const { port: forwarded } = proxy.address() as { port: number };
    const start = path.join(this.#directory, 'chromium');
    writeFileSync(start, `#!/bin/sh\nexec ip netns exec ${this.#name} ${process.env.CHROMIUM ?? '/usr/bin/chromium'} "$@"\n`);
    chmodSync(start, 0o755);
    return launchChromium([`--host-resolver-rules=MAP localhost:${port} ${outside}:${forwarded}`], start);
  }

  close(): void {
    this.#proxy?.close();
    for (const n of [1, 2]) {
      try {
        ip('link', 'del', this.#links(n)[0]);
      } catch {
        // it never was
      }
    }
    try {
      ip('netns', 'del', this.#name);
    } catch {
      // it never was
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
