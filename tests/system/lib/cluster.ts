// The cluster under test, as `./dev run` started it. SPDX-License-Identifier: Apache-2.0
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');

function given(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run these tests by ./dev test system`);
  return value;
}

export interface Service {
  name: string;
  state: 'stopped' | 'running' | 'ready';
  pid: number | null;
  admin: string | null;
  log: string;
}

export const cluster = {
  get url() {
    return given('CONCLAVE_URL');
  },
  get data() {
    return given('CONCLAVE_DATA');
  },
  get wsUrl() {
    return this.url.replace(/^http/, 'ws') + '/ws';
  },

  /** One word of ./dev on this cluster. */
  async dev(...words: string[]): Promise<string> {
    const [word, ...rest] = words;
    const { stdout } = await promisify(execFile)('./dev', [word!, '--data', this.data, ...rest], { cwd: ROOT });
    return stdout;
  },

  services(): Service[] {
    try {
      return JSON.parse(execFileSync('./dev', ['status', '--data', this.data, '--json'], { cwd: ROOT, encoding: 'utf8' })).services;
    } catch (error) {
      // Exit status 1: not all are ready. The listing is printed all the same.
      return JSON.parse((error as { stdout: string }).stdout).services;
    }
  },

  service(name: string): Service {
    const found = this.services().find((s) => s.name === name);
    if (!found) throw new Error(`no service ${name}`);
    return found;
  },

  log(name: string): string {
    return readFileSync(path.join(this.data, 'log', `${name}.log`), 'utf8');
  },

  /** Sums one metric of a service over its labels; the filter picks lines. */
  async metric(service: string, name: string, filter = ''): Promise<number> {
    const admin = this.service(service).admin;
    const text = await (await fetch(`${admin}/metrics`)).text();
    let sum = 0;
    for (const line of text.split('\n')) {
      if ((line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && line.includes(filter)) sum += Number(line.split(' ').pop());
    }
    return sum;
  },
};

let rooms = 0;
/** A room that no other test uses. */
export function freshRoom(prefix: string): string {
  rooms += 1;
  return `${prefix}-${process.pid.toString(36)}${Date.now().toString(36)}-${rooms}`;
}
