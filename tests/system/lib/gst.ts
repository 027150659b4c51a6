// A participant that is neither a browser nor ours: GStreamer's webrtcbin by WHIP and WHEP (tools/gst_whip.py).
// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';

import { expect } from '@playwright/test';

import { cluster, ROOT } from './cluster.js';
import { guestToken } from './raw.js';

// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Event = Record<string, any>;

export interface Watched {
  frames: number;
  /** Frames that differ from the one before. */
  changes: number;
  size: [number, number] | null;
  /** RMS of the sound, dB. */
  level: number | null;
}

export class Gst {
  readonly events: Event[] = [];
  private errors = '';

  private constructor(private readonly process: ChildProcess) {
    createInterface({ input: process.stdout! }).on('line', (line) => this.events.push(JSON.parse(line)));
    process.stderr!.on('data', (text) => (this.errors += text));
  }

  /** Publishes or watches; resolves when the media is connected. */
  static async start(role: 'publish' | 'watch', room: string, name: string, options: string[] = [], query = ''): Promise<Gst> {
    const url = `${cluster.url}/${role === 'publish' ? 'whip' : 'whep'}/${room}${query}`;
    const gst = new Gst(
      spawn(path.join(ROOT, 'tests/system/tools/gst_whip.py'), [role, url, await guestToken(name), ...options], { stdio: ['pipe', 'pipe', 'pipe'] }),
    );
    await expect
      .poll(() => gst.find('state', { what: 'connection-state', value: 'connected' }) ?? gst.find('refused') ?? gst.find('error') ?? gst.errors, {
        timeout: 30_000,
        message: `GStreamer is to ${role}`,
      })
      .toMatchObject({ value: 'connected' });
    return gst;
  }

  find(event: string, fields: Event = {}): Event | undefined {
    return this.events.find((e) => e.event === event && Object.entries(fields).every(([key, value]) => e[key] === value));
  }

  get location(): string {
    return this.find('created')!.location;
  }

  get watched(): Watched {
    const last = this.events.filter((e) => e.event === 'media').at(-1);
    return (last as Watched | undefined) ?? { frames: 0, changes: 0, size: null, level: null };
  }

  /** Waits until pictures of this size come and change, and sound is heard. */
  async expectMedia(size: RegExp): Promise<void> {
    await expect.poll(() => this.watched.changes, { timeout: 40_000, message: 'frames that differ' }).toBeGreaterThan(30);
    await expect.poll(() => this.watched.size?.join('x') ?? '', { timeout: 20_000 }).toMatch(size);
    await expect.poll(() => this.watched.level ?? -200, { timeout: 20_000, message: 'level of the sound' }).toBeGreaterThan(-60);
  }

  /** Its standard input ends: it deletes its session. The status of that. */
  async end(): Promise<number> {
    if (this.process.exitCode !== null) return this.find('deleted')?.status ?? 0;
    const ended = once(this.process, 'exit');
    this.process.stdin!.end();
    await ended;
    return this.find('deleted')?.status ?? 0;
  }

  /** As when its network is cut off, until `goOn`. */
  vanish(): void {
    this.process.kill('SIGSTOP');
  }

  goOn(): void {
    this.process.kill('SIGCONT');
  }

  /** As when the machine goes: nothing is said. */
  async kill(): Promise<void> {
    const ended = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await ended;
  }
}
