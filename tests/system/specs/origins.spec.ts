// A page of another origin than the server's: works where `allowed-origins` has it, and is refused everywhere else.
// The cluster is started with `--origins http://app.localhost`. SPDX-License-Identifier: Apache-2.0
import { type Browser, expect, type Page, test } from '@playwright/test';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { launchChromium } from '../lib/browser.js';
import { cluster, freshRoom } from '../lib/cluster.js';
import { quickstartFile } from '../lib/quickstart.js';

/** In the list, whatever port it has in truth; every `*.localhost` is a secure context. */
const ALLOWED = 'http://app.localhost';
const room = freshRoom('origins');
let server: Server;
let browser: Browser;

test.beforeAll(async () => {
  server = createServer((request, response) => {
    const file = quickstartFile(request.url ?? '', room);
    response.writeHead(file ? 200 : 404, { 'Content-Type': file?.contentType ?? 'text/plain' }).end(file?.body);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  browser = await launchChromium([`--host-resolver-rules=MAP app.localhost:80 127.0.0.1:${port()}`]);
});
test.afterAll(async () => {
  await browser?.close();
  server?.close();
});

const port = () => (server.address() as AddressInfo).port;

async function open(url: string): Promise<{ page: Page; errors: string[] }> {
  const context = await browser.newContext({ permissions: ['camera', 'microphone'] });
  const page = await context.newPage();
  const seen = { page, errors: [] as string[] };
  page.on('pageerror', (error) => seen.errors.push(error.message));
  await page.goto(url);
  return seen;
}

const moving = (page: Page): Promise<number> => page.$$eval('video', (videos) => videos.filter((v) => v.currentTime > 0 && v.videoHeight > 0).length);

test('the quickstart runs on a page of an allowed origin: login, TURN, WebSocket, media', async () => {
  const ada = await open(ALLOWED);
  const ben = await open(ALLOWED);
  for (const { page } of [ada, ben]) await expect.poll(() => moving(page)).toBe(2);
  expect([...ada.errors, ...ben.errors]).toEqual([]);
  for (const { page } of [ada, ben]) await page.context().close();
});

test('an allowed page may publish by WHIP and read where its session is', async () => {
  const { page } = await open(ALLOWED);
  const seen = await page.evaluate(
    async ([url, name]) => {
      const guest = await fetch(`${url}/v1/guests`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"name":"Camera"}' });
      const { access_token: token } = (await guest.json()) as { access_token: string };
      const pc = new RTCPeerConnection();
      pc.addTransceiver('video', { direction: 'sendonly' });
      await pc.setLocalDescription();
      const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/sdp' };
      const posted = await fetch(`${url}/whip/${name}`, { method: 'POST', headers, body: pc.localDescription!.sdp });
      const at = posted.headers.get('Location');
      const gone = await fetch(new URL(at!, url), { method: 'DELETE' });
      return [posted.status, gone.status];
    },
    [cluster.url, freshRoom('origins-whip')] as const,
  );
  expect(seen).toEqual([201, 200]);
  await page.context().close();
});

test('a page of any other origin gets nowhere', async () => {
  const { page, errors } = await open(`http://127.0.0.1:${port()}`);
  await expect.poll(() => errors).toEqual(['The server cannot be reached. Check your connection and try again.']);
  const tried = await page.evaluate(async (url) => {
    const answer = (work: Promise<Response>) => work.then((r) => String(r.status), () => 'blocked');
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/ws`, 'conclave.v1');
    const opened = new Promise<string>((done) => {
      socket.onopen = () => done('opened');
      socket.onerror = () => done('blocked');
    });
    const post = { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: 'v=0' };
    return [await answer(fetch(`${url}/v1/me`)), await answer(fetch(`${url}/whip/x`, post)), await opened];
  }, cluster.url);
  expect(tried).toEqual(['blocked', 'blocked', 'blocked']);
  // Not only the browser refuses: the servers do.
  const headers = { Origin: `http://127.0.0.1:${port()}`, 'Content-Type': 'application/json' };
  const refused = await fetch(`${cluster.url}/v1/guests`, { method: 'POST', headers, body: '{"name":"Eve"}' });
  expect([refused.status, (await refused.json()).error]).toEqual([403, 'cross-origin']);
  const preflight = await fetch(`${cluster.url}/v1/guests`, { method: 'OPTIONS', headers: { ...headers, 'Access-Control-Request-Method': 'POST' } });
  expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([405, null]);
  await page.context().close();
});
