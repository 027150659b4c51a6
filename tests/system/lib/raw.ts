// A client with no manners: raw frames on a WebSocket. SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import path from 'node:path';

import WebSocket from 'ws';

import { cluster, ROOT } from './cluster.js';
import { schemaError } from './schema.js';

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Message = Record<string, any>;

export const chromiumOffer = (): string => readFileSync(path.join(ROOT, 'tests/vectors/sdp/chromium-offer.sdp'), 'utf8');
export const offerSources = { '0': 'microphone', '1': 'camera', '2': 'screen', '3': 'screen-audio' };

export async function guestToken(name = 'Raw'): Promise<string> {
  const response = await fetch(`${cluster.url}/v1/guests`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  });
  if (response.status !== 201) throw new Error(`guest: ${response.status} ${await response.text()}`);
  return ((await response.json()) as { access_token: string }).access_token;
}

export class RawClient {
  private readonly queue: Message[] = [];
  private readonly waiters: (() => void)[] = [];
  private next = 1;
  private problem: string | undefined;
  closeCode: number | undefined;

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data) => {
      const text = data.toString();
      this.problem ??= schemaError('server', text);
      this.queue.push(JSON.parse(text));
      this.wake();
    });
    socket.on('close', (code) => {
      this.closeCode = code;
      this.wake();
    });
    socket.on('error', () => this.wake());
  }

  static async connect(url = cluster.wsUrl): Promise<RawClient> {
    const socket = new WebSocket(url, 'conclave.v1', { maxPayload: 16 << 20 });
    const client = new RawClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return client;
  }

  private wake(): void {
    for (const waiter of this.waiters.splice(0)) waiter();
  }

  /** The next message that `wanted` accepts; others before it are dropped. */
  async expect(wanted: (m: Message) => boolean, ms = 10_000): Promise<Message> {
    const deadline = Date.now() + ms;
    for (;;) {
      if (this.problem) throw new Error(`breaks docs/protocol.schema.json: ${this.problem}`);
      while (this.queue.length > 0) {
        const message = this.queue.shift()!;
        if (wanted(message)) return message;
      }
      const left = deadline - Date.now();
      if (left <= 0) throw new Error('timeout: the message did not come');
      if (this.closeCode !== undefined) throw new Error(`closed with ${this.closeCode} while waiting`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** What has come and nobody has asked for. */
  drain(): Message[] {
    if (this.problem) throw new Error(`breaks docs/protocol.schema.json: ${this.problem}`);
    return this.queue.splice(0);
  }

  async closed(ms = 10_000): Promise<number> {
    const deadline = Date.now() + ms;
    while (this.closeCode === undefined && Date.now() < deadline) await new Promise((r) => setTimeout(r, 20));
    if (this.closeCode === undefined) throw new Error('timeout: the socket is still open');
    return this.closeCode;
  }

  sendRaw(data: string | Buffer): void {
    this.socket.send(data, { binary: Buffer.isBuffer(data) });
  }

  /** Sends a request and waits for its reply or error. */
  async request(op: string, fields: Message = {}, ms = 10_000): Promise<Message> {
    const id = this.next++;
    this.sendRaw(JSON.stringify({ op, id, ...fields }));
    return this.expect((m) => m.id === id, ms);
  }

  async join(room: string, name = 'Raw'): Promise<Message> {
    return this.request('join', { token: await guestToken(name), room, name, sdp: chromiumOffer(), sources: offerSources });
  }

  close(): void {
    this.socket.terminate();
  }
}
