// The headless client: publishes, records, sends back; beside other clients and a browser.
// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect, test } from '@playwright/test';

import { Caller } from '../lib/caller.js';
import { closedPort } from '../lib/fake.js';
import { cluster, freshRoom, ROOT } from '../lib/cluster.js';

const BINARY = path.join(process.env.CONCLAVE_BUILD ?? path.join(ROOT, 'build/test'), 'loadtest/conclave-bot');
const running = new Set<ChildProcess>();

interface Stream {
  publisher: string;
  source: string;
  codec: string;
  frames: number;
  frames_dropped: number;
  keyframes: number;
  width: number;
  height: number;
  tone_hz: number;
  file?: string;
}

interface Left {
  status: number | null;
  stdout: string;
  stderr: string;
  streams: Stream[];
}

class Client {
  readonly left: Promise<Left>;

  constructor(
    private readonly child: ChildProcess,
    json: string,
  ) {
    let stdout = '';
    let stderr = '';
    child.stdout!.on('data', (chunk) => (stdout += chunk));
    child.stderr!.on('data', (chunk) => (stderr += chunk));
    running.add(child);
    const late = setTimeout(() => child.kill('SIGKILL'), 60_000);
    this.left = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status) => {
        clearTimeout(late);
        running.delete(child);
        resolve({ status, stdout, stderr, streams: status === 0 ? JSON.parse(readFileSync(json, 'utf8')).streams : [] });
      });
    });
  }

  /** As Ctrl-C does. */
  interrupt(): Promise<Left> {
    this.child.kill('SIGINT');
    return this.left;
  }
}

let directory: string;
let clients = 0;

function client(room: string, name: string, ...args: string[]): Client {
  const json = path.join(directory, `client-${(clients += 1)}.json`);
  const all = ['client', '--url', cluster.url, '--room', room, '--name', name, '--json', json, ...args];
  return new Client(spawn(BINARY, all, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] }), json);
}

const of = (left: Left, publisher: string, source: string): Stream | undefined =>
  left.streams.find((s) => s.publisher === publisher && s.source === source);

test.describe.configure({ mode: 'serial' });
test.beforeAll(() => void (directory = mkdtempSync(path.join(tmpdir(), 'conclave-client-'))));
test.afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

const codecs = { vp8: 'VP80', vp9: 'VP90', av1: 'AV01', h264: undefined };
let recorded: Left;

test('a client records what others publish, in every codec', async () => {
  const room = freshRoom('client');
  const others = Object.keys(codecs).map((c) => client(room, `Pat ${c}`, '--publish', `pattern:${c}`, '--audio', 'tone', '--view', '0', '--duration', '0'));
  recorded = await client(room, 'Recorder', '--record', path.join(directory, 'recordings'), '--duration', '8s').left;
  const ends = await Promise.all(others.map((c) => c.interrupt()));
  expect(ends.map((e) => e.status)).toEqual([0, 0, 0, 0]);
  expect(recorded.status, recorded.stderr).toBe(0);
  expect(recorded.stdout).toContain('Pat vp9');
  for (const [codec, fourcc] of Object.entries(codecs)) {
    const camera = of(recorded, `Pat ${codec}`, 'camera')!;
    expect(camera).toMatchObject({ frames_dropped: 0 });
    expect(camera.codec.toLowerCase()).toBe(codec);
    expect(camera.frames).toBeGreaterThan(60);
    expect(camera.keyframes).toBeGreaterThan(0);
    expect(camera.width / camera.height).toBeCloseTo(16 / 9);
    expect(path.basename(camera.file!)).toMatch(new RegExp(`^Pat_${codec}-camera-${codec}-[0-9TZ]+\\.(ivf|h264)$`));
    const file = readFileSync(camera.file!);
    if (fourcc === undefined) expect([...file.subarray(0, 4)]).toEqual([0, 0, 0, 1]);
    else expect([file.toString('latin1', 0, 4), file.toString('latin1', 8, 12)]).toEqual(['DKIF', fourcc]);
    const voice = of(recorded, `Pat ${codec}`, 'microphone')!;
    expect(voice).toMatchObject({ codec: 'opus', tone_hz: 400 });
    expect(readFileSync(voice.file!).toString('latin1', 0, 4)).toBe('OggS');
  }
});

test('what was recorded can be published, and comes back from an echo; a browser decodes it', async () => {
  const room = freshRoom('echo');
  const files = ['--publish', of(recorded, 'Pat vp9', 'camera')!.file!, '--audio', of(recorded, 'Pat vp9', 'microphone')!.file!];
  const speaker = client(room, 'Speaker', ...files, '--duration', '0');
  const ada = await Caller.join(room, 'Ada');
  await expect.poll(async () => (await ada.sees('Speaker')).camera?.framesDecoded ?? 0).toBeGreaterThan(30);
  const mirror = client(room, 'Mirror', '--echo', '--duration', '0');
  await expect.poll(async () => (await ada.sees('Mirror')).camera?.framesDecoded ?? 0).toBeGreaterThan(30);
  await expect.poll(async () => (await ada.sees('Mirror')).microphone?.totalAudioEnergy ?? 0).toBeGreaterThan(0);
  const heard = await speaker.interrupt();
  expect(of(heard, 'Mirror', 'microphone')).toMatchObject({ tone_hz: 400 });
  expect(of(heard, 'Mirror', 'camera')).toMatchObject({ codec: 'VP9', frames_dropped: 0 });
  expect(of(heard, 'Ada', 'camera')!.frames).toBeGreaterThan(10);
  await mirror.interrupt();
  await ada.close();
});

test('it says why it cannot join, and what it was asked wrongly', async () => {
  const gone = await client('nowhere', 'Bot', '--url', `http://127.0.0.1:${await closedPort()}`, '--duration', '2s').left;
  expect(gone.stderr).toContain('refused');
  expect(gone.status).toBe(69);
  const wrong = await client('here', 'Bot', '--publish', 'README.md').left;
  expect(wrong.stderr).toContain('README.md');
  expect(wrong.status).toBe(64);
});
