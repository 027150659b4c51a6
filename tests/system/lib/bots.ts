// The bot client as a person runs it: options in, exit status, words and a result out.
// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import Ajv2020 from 'ajv/dist/2020.js';

import { ROOT } from './cluster.js';

const BINARY = path.join(process.env.CONCLAVE_BUILD ?? path.join(ROOT, 'build/test'), 'loadtest/conclave-bot');
const schema = JSON.parse(readFileSync(path.join(ROOT, 'docs/loadtest-result.schema.json'), 'utf8'));
const ajv = new Ajv2020({ strict: false });
const validate = ajv.compile(schema);

/** docs/loadtest-result.schema.json; only tests say which of its keys they look at. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Result = Record<string, any>;

export interface Ended {
  /** null: ended by a signal. */
  status: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
  ms: number;
  /** Already held against the schema; undefined: none was written. */
  result: Result | undefined;
}

export interface RunOptions {
  /** It is killed, and the test fails, if it takes longer. */
  timeout?: number;
  /** Lets it say on stderr every five seconds how it is. */
  words?: boolean;
}

const running = new Set<ChildProcess>();

/** For afterAll: a failed test must not leave a bot behind. */
export function killBots(): void {
  for (const child of running) child.kill('SIGKILL');
}

export class Bots {
  readonly ended: Promise<Ended>;
  stderr = '';

  private constructor(
    readonly child: ChildProcess,
    private readonly directory: string,
    timeout: number,
  ) {
    const start = Date.now();
    let stdout = '';
    child.stdout!.on('data', (chunk) => (stdout += chunk));
    child.stderr!.on('data', (chunk) => (this.stderr += chunk));
    running.add(child);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, timeout);
    this.ended = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status, signal) => {
        clearTimeout(timer);
        running.delete(child);
        if (late) reject(new Error(`the bots had not ended after ${timeout} ms\n${stdout}\n${this.stderr}`));
        else resolve({ status, signal, stdout, stderr: this.stderr, ms: Date.now() - start, result: this.read() });
      });
    });
    this.ended.catch(() => undefined); // a test that fails before it awaits this says why by itself
  }

  private read(): Result | undefined {
    const file = path.join(this.directory, 'result.json');
    const result = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Result) : undefined;
    rmSync(this.directory, { recursive: true });
    if (result !== undefined && !validate(result))
      throw new Error(`breaks docs/loadtest-result.schema.json: ${ajv.errorsText(validate.errors)}`);
    return result;
  }

  /** `conclave-bot run`; the scenario is a path from the root of the repository, or the YAML itself. */
  static start(scenario: string, args: string[], { timeout = 60_000, words = false }: RunOptions = {}): Bots {
    const directory = mkdtempSync(path.join(tmpdir(), 'conclave-bots-'));
    const isText = scenario.includes('\n');
    const file = isText ? path.join(directory, 'scenario.yaml') : scenario;
    if (isText) writeFileSync(file, scenario);
    const all = ['run', file, ...(words ? [] : ['--quiet']), '--json', path.join(directory, 'result.json'), ...args];
    return new Bots(spawn(BINARY, all, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] }), directory, timeout);
  }

  static run(scenario: string, args: string[], options?: RunOptions): Promise<Ended> {
    return Bots.start(scenario, args, options).ended;
  }
}

/** `--set` for each. */
export const sets = (values: Record<string, string | number>): string[] =>
  Object.entries(values).flatMap(([key, value]) => ['--set', `${key}=${value}`]);

/** What a bot says: tone.h, index modulo 48. */
export const toneHz = (bot: number): number => 400 + 50 * (bot % 48);
