// A bad network between one browser and the media nodes: `conclave-bot relay`, and the way of a page's media through it.
// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';

import type { BrowserContext } from '@playwright/test';

import { ROOT } from './cluster.js';

const BINARY = path.join(process.env.CONCLAVE_BUILD ?? path.join(ROOT, 'build/test'), 'loadtest/conclave-bot');

/** One direction; what is not named is perfect. Shares are 0 to 1. */
export interface Network {
  rate_bps?: number;
  queue_ms?: number;
  delay_ms?: number;
  jitter_ms?: number;
  loss?: number;
  burst_loss?: number;
  burst_enter?: number;
  burst_leave?: number;
  reorder?: number;
  reorder_ms?: number;
  duplicate?: number;
}

/** up: from the browser. */
export interface Networks {
  up?: Network;
  down?: Network;
}

export interface Direction {
  /** Passed on. */
  packets: number;
  bytes: number;
  lost: number;
  queue_full: number;
  no_memory: number;
  reordered: number;
  duplicated: number;
}

export interface Counters {
  clients: number;
  up: Direction;
  down: Direction;
}

type Line = { event: string; message?: string; ip?: string; port?: number } & Partial<Counters>;

/** The candidates of one media node's answer become one: the relay. TCP and other addresses of the node would go around it. */
function rerouteInPage(): void {
  const reroute = (window as unknown as { conclaveRelay: (to: string) => Promise<string> }).conclaveRelay;
  const original = RTCPeerConnection.prototype.setRemoteDescription as (this: RTCPeerConnection, to: RTCSessionDescriptionInit) => Promise<void>;
  const candidate = /^a=candidate:(\S+) (\d+) udp (\d+) (\d+\.\d+\.\d+\.\d+) (\d+) typ host.*$/i;
  RTCPeerConnection.prototype.setRemoteDescription = async function (this: RTCPeerConnection, description: RTCSessionDescriptionInit) {
    const lines = (description.sdp ?? '').split('\r\n');
    const node = lines.map((line) => candidate.exec(line)).find((match) => match !== null);
    if (!node) return original.call(this, description);
    const relay = await reroute(`${node[4]}:${node[5]}`);
    const sdp = lines
      .map((line) => (line === node[0] ? `a=candidate:${node[1]} ${node[2]} udp ${node[3]} ${relay} typ host` : line))
      .filter((line, i) => !line.startsWith('a=candidate:') || lines[i] === node[0])
      .join('\r\n');
    return original.call(this, { type: description.type, sdp });
  } as typeof original;
}

const running = new Set<ChildProcess>();

/** For afterAll: a failed test must not leave a relay behind. */
export function killRelays(): void {
  for (const child of running) child.kill('SIGKILL');
}

export class Relay {
  private readonly waiting: ((line: Line) => void)[] = [];
  private readonly early: Line[] = [];
  /** "ip port", as a candidate line has it. */
  private address = '';

  private constructor(
    private readonly child: ChildProcess,
    private readonly directory: string,
    /** What reached the browser, growing; whole after counters() and stop(). For Wireshark, and readCapture(). */
    readonly capture: string,
  ) {
    running.add(child);
    child.on('close', () => {
      running.delete(child);
      const ended: Line = { event: 'error', message: 'the relay has ended' };
      for (const resolve of this.waiting.splice(0)) resolve(ended);
    });
    createInterface({ input: child.stdout! }).on('line', (text) => {
      const line = JSON.parse(text) as Line;
      const resolve = this.waiting.shift();
      if (resolve) resolve(line);
      else this.early.push(line);
    });
  }

  /** `to` is the media node, "ip:port"; without it attach() finds it in the answer. */
  static async start({ up = {}, down = {}, to, seed = 1 }: Networks & { to?: string; seed?: number } = {}): Promise<Relay> {
    const directory = mkdtempSync(path.join(tmpdir(), 'conclave-relay-'));
    const capture = path.join(directory, 'down.pcap');
    const args = ['relay', '--pcap', capture, '--seed', String(seed), '--up', JSON.stringify(up), '--down', JSON.stringify(down)];
    const child = spawn(BINARY, to ? [...args, '--to', to] : args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const relay = new Relay(child, directory, capture);
    const line = await relay.next('listening');
    relay.address = `${line.ip} ${line.port}`;
    return relay;
  }

  private async next(event: string): Promise<Line> {
    const line = this.early.shift() ?? (await new Promise<Line>((resolve) => this.waiting.push(resolve)));
    if (line.event !== event) throw new Error(`relay: ${line.event}, not ${event}: ${line.message ?? ''}`);
    return line;
  }

  private async tell(command: object, event: string): Promise<Line> {
    this.child.stdin!.write(JSON.stringify(command) + '\n');
    return this.next(event);
  }

  /** Takes effect at once. A direction is replaced as a whole: {} is perfect again. */
  async set(networks: Networks): Promise<void> {
    await this.tell(networks, 'set');
  }

  async counters(): Promise<Counters> {
    return (await this.tell({ counters: true }, 'counters')) as unknown as Counters;
  }

  /** The media of all pages of this context goes through here. Call it before they open. */
  async attach(context: BrowserContext): Promise<void> {
    await context.exposeFunction('conclaveRelay', async (to: string) => {
      await this.tell({ to }, 'set');
      return this.address;
    });
    await context.addInitScript(rerouteInPage);
  }

  /** The counters at its end. The capture is gone after this, unless kept. */
  async stop({ keep = false } = {}): Promise<Counters> {
    const closed = new Promise((resolve) => this.child.on('close', resolve));
    this.child.stdin!.end();
    const counters = (await this.next('end')) as unknown as Counters;
    await closed;
    if (!keep) rmSync(this.directory, { recursive: true });
    return counters;
  }
}

/** An RTP packet that reached the browser. RTX has a payload type and an SSRC of its own. */
export interface Rtp {
  atMs: number;
  ssrc: number;
  payloadType: number;
  sequence: number;
  timestamp: number;
  marker: boolean;
  bytes: number;
}

/** The RTP of a capture (headers are not encrypted), in order of arrival. RTCP, STUN and DTLS are left out. */
export function readCapture(file: string): Rtp[] {
  const data = readFileSync(file);
  const packets: Rtp[] = [];
  for (let at = 24; at + 16 <= data.length; ) {
    const length = data.readUInt32BE(at + 8);
    const atMs = data.readUInt32BE(at) * 1000 + data.readUInt32BE(at + 4) / 1000;
    const ip = data.subarray(at + 16, at + 16 + length);
    at += 16 + length;
    const rtp = ip.subarray((ip[0]! >> 4 === 6 ? 40 : 20) + 8);
    const isRtp = rtp.length >= 12 && rtp[0]! >> 6 === 2 && !(rtp[1]! >= 192 && rtp[1]! <= 223);
    if (!isRtp) continue;
    packets.push({
      atMs,
      ssrc: rtp.readUInt32BE(8),
      payloadType: rtp[1]! & 0x7f,
      marker: rtp[1]! >> 7 === 1,
      sequence: rtp.readUInt16BE(2),
      timestamp: rtp.readUInt32BE(4),
      bytes: rtp.length,
    });
  }
  return packets;
}

/** How the sequence numbers of each stream arrived. A number that never came is missing, before RTX. */
export function sequencesOf(packets: Rtp[]): Map<number, { packets: number; missing: number; twice: number }> {
  const streams = new Map<number, Set<number>>();
  const result = new Map<number, { packets: number; missing: number; twice: number; last: number; first: number }>();
  for (const p of packets) {
    let s = result.get(p.ssrc);
    if (!s) {
      s = { packets: 0, missing: 0, twice: 0, first: p.sequence, last: p.sequence };
      result.set(p.ssrc, s);
      streams.set(p.ssrc, new Set());
    }
    // extended by the shortest way from the newest, so that it wraps
    const extended = s.last + ((((p.sequence - s.last) & 0xffff) ^ 0x8000) - 0x8000);
    const seen = streams.get(p.ssrc)!;
    if (seen.has(extended)) s.twice += 1;
    seen.add(extended);
    s.packets += 1;
    s.last = Math.max(s.last, extended);
    s.first = Math.min(s.first, extended);
    s.missing = s.last - s.first + 1 - seen.size;
  }
  return new Map([...result].map(([ssrc, { packets: count, missing, twice }]) => [ssrc, { packets: count, missing, twice }]));
}
