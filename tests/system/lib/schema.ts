// docs/protocol.schema.json as a judge of every frame that a test sees. SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { expect, type Page } from '@playwright/test';
import Ajv2020 from 'ajv/dist/2020.js';

import { ROOT } from './cluster.js';

const schema = JSON.parse(readFileSync(path.join(ROOT, 'docs/protocol.schema.json'), 'utf8'));
const ajv = new Ajv2020({ allErrors: false, strict: false });
ajv.addSchema(schema, 'protocol');

/** undefined, or what is wrong with the frame. */
export function schemaError(side: 'client' | 'server', frame: string): string | undefined {
  const message = JSON.parse(frame) as { op?: string };
  const known = schema.$defs[`${side}.${message.op}`];
  const validate = ajv.getSchema(`protocol#/$defs/${known ? `${side}.${message.op}` : side}`);
  if (!validate) throw new Error(`no schema for ${side}.${message.op}`);
  if (validate(message)) return undefined;
  return `${side} ${message.op}: ${ajv.errorsText(validate.errors)} in ${frame.slice(0, 500)}`;
}

interface KeptFrame {
  side: 'client' | 'server';
  text: string;
}

/** An init script for browsers whose driver does not show WebSockets (WebDriver BiDi). */
export function keepFrames(): void {
  const keptFrames: KeptFrame[] = [];
  Object.assign(window, { keptFrames });
  window.WebSocket = class extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      this.addEventListener('message', ({ data }) => keptFrames.push({ side: 'server', text: String(data) }));
    }
    override send(data: string): void {
      keptFrames.push({ side: 'client', text: data });
      super.send(data);
    }
  };
}

/** Holds every signaling frame of a page against the schema, from now on. */
export class FrameJudge {
  readonly received: { op: string }[] = [];
  readonly sent: { op: string }[] = [];
  private readonly problems: string[] = [];

  constructor(page: Page) {
    page.on('websocket', (socket) => {
      if (!socket.url().endsWith('/ws')) return;
      socket.on('framereceived', ({ payload }) => this.judge('server', payload, this.received));
      socket.on('framesent', ({ payload }) => this.judge('client', payload, this.sent));
    });
  }

  /** Frames that the page kept by itself: see keepFrames(). */
  async takeKept(page: Page): Promise<void> {
    const kept = await page.evaluate(() => (window as unknown as { keptFrames: KeptFrame[] }).keptFrames);
    for (const { side, text } of kept) this.judge(side, text, side === 'server' ? this.received : this.sent);
  }

  private judge(side: 'client' | 'server', payload: string | Buffer, list: { op: string }[]): void {
    const text = payload.toString();
    list.push(JSON.parse(text));
    const problem = schemaError(side, text);
    if (problem) this.problems.push(problem);
  }

  verify(): void {
    expect(this.problems).toEqual([]);
    expect(this.received.length, 'frames were seen').toBeGreaterThan(0);
  }
}
