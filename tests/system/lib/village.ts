// A network of its own for a browser: a namespace behind a cable to this machine, whose roads can be closed
// one by one. What is closed leads to a neighbour that is not there: packets vanish as in a firewall that says
// nothing. The page, the API and TURN over TCP are reached through a door (door.py), port by port.
// SPDX-License-Identifier: Apache-2.0
import type { Browser } from '@playwright/test';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { CHROMIUM, launchChromium } from './browser.js';
import { ROOT } from './cluster.js';

const NAME = `conclave-${process.pid}`;
const CABLE = `ccv${process.pid}`;
// RFC 2544's range for benchmarks and a unique local prefix: nobody's real network.
const HOST4 = '198.18.251.1';
const GUEST4 = '198.18.251.2';
const NOBODY4 = '198.18.251.3';
const HOST6 = 'fdcc:18:251::1';
const GUEST6 = 'fdcc:18:251::2';
const NOBODY6 = 'fdcc:18:251::3';
const NOWHERE = '100';

const ip = (...words: string[]): string => execFileSync('ip', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const inside = (...words: string[]): string => ip('-n', NAME, ...words);

export interface Road {
  ipproto: 'udp' | 'tcp';
  /** e.g. 1024-65534; all if it is left out. */
  dport?: string;
}

export class Village {
  readonly hostAddresses = [HOST4, HOST6];
  readonly guestAddresses = [GUEST4, GUEST6];
  private doors: ChildProcess[] = [];
  private readonly scratch = mkdtempSync(path.join(os.tmpdir(), 'conclave-village-'));

  /** Throws with what the system said if it does not allow namespaces. */
  static found(): Village {
    const village = new Village();
    try {
      village.build();
    } catch (error) {
      village.raze();
      throw new Error(`no network namespace: ${(error as { stderr?: string }).stderr ?? (error as Error).message}`);
    }
    return village;
  }

  private build(): void {
    ip('netns', 'add', NAME);
    ip('link', 'add', CABLE, 'type', 'veth', 'peer', 'name', 'road', 'netns', NAME);
    for (const [to, dev, v4, v6] of [[ip, CABLE, HOST4, HOST6], [inside, 'road', GUEST4, GUEST6]] as const) {
      to('addr', 'add', `${v4}/29`, 'dev', dev);
      to('addr', 'add', `${v6}/64`, 'dev', dev, 'nodad');
      to('link', 'set', dev, 'up');
    }
    inside('link', 'set', 'lo', 'up');
    inside('route', 'add', 'default', 'via', HOST4);
    inside('-6', 'route', 'add', 'default', 'via', HOST6);
    for (const [family, nobody] of [['-4', NOBODY4], ['-6', NOBODY6]] as const) {
      inside(family, 'neigh', 'add', nobody, 'lladdr', '02:00:00:00:00:01', 'dev', 'road', 'nud', 'permanent');
      inside(family, 'route', 'add', 'default', 'via', nobody, 'dev', 'road', 'table', NOWHERE);
    }
  }

  /** From now on these packets leave and never arrive. */
  close(road: Road): void {
    const what = ['ipproto', road.ipproto, ...(road.dport ? ['dport', road.dport] : [])];
    for (const family of ['-4', '-6']) inside(family, 'rule', 'add', 'pref', '10', ...what, 'table', NOWHERE);
    for (const [to, nobody] of [[HOST4, NOBODY4], [HOST6, NOBODY6]] as const) {
      const flow = road.dport ? [...what.slice(0, 3), road.dport.split('-')[0]!] : what;
      const route = inside('route', 'get', to, ...flow);
      if (!route.includes(`via ${nobody}`)) throw new Error(`the road is still open: ${route}`);
    }
  }

  /** No IPv4 at all, but within. */
  forgetIpv4(): void {
    inside('-4', 'addr', 'flush', 'dev', 'road');
  }

  /** All roads again. */
  open(): void {
    for (const family of ['-4', '-6']) {
      while (/^10:/m.test(inside(family, 'rule'))) inside(family, 'rule', 'del', 'pref', '10');
    }
    if (!inside('-4', 'addr', 'show', 'dev', 'road').includes(GUEST4)) {
      inside('addr', 'add', `${GUEST4}/29`, 'dev', 'road');
      inside('route', 'add', 'default', 'via', HOST4);
      inside('route', 'add', 'default', 'via', NOBODY4, 'dev', 'road', 'table', NOWHERE);
    }
  }

  /** 127.0.0.1:port of the inside is that of the outside; TCP only. */
  async door(...ports: number[]): Promise<void> {
    const door = spawn('python3', [path.join(ROOT, 'tests/system/lib/door.py'), NAME, ...ports.map(String)], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.doors.push(door);
    await Promise.race([once(door.stdout!, 'data'), once(door, 'exit').then(() => Promise.reject(new Error('door.py ended')))]);
  }

  closeDoors(): void {
    for (const door of this.doors) door.kill();
    this.doors = [];
  }

  /** A browser that lives in it. */
  launch(more: string[] = []): Promise<Browser> {
    const script = path.join(this.scratch, 'chromium');
    writeFileSync(script, `#!/bin/sh\nexec nsenter --net=/run/netns/${NAME} '${CHROMIUM}' "$@"\n`);
    chmodSync(script, 0o755);
    return launchChromium(more, script);
  }

  /** The browser's connections to a port, as ss(8) lists them. */
  connections(port: number): string {
    return this.ss('-Htn', 'state', 'established', 'dport', '=', `:${port}`);
  }

  /** Ends them, as a router does that forgets. */
  cut(port: number): void {
    this.ss('-K', '-tn', 'dport', '=', `:${port}`);
  }

  private ss(...words: string[]): string {
    return execFileSync('ip', ['netns', 'exec', NAME, 'ss', ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  raze(): void {
    this.closeDoors();
    for (const words of [['link', 'del', CABLE], ['netns', 'del', NAME]]) {
      try {
        ip(...words);
      } catch {
        // It never came to be.
      }
    }
    rmSync(this.scratch, { recursive: true, force: true });
  }
}
