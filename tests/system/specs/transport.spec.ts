// Networks where UDP does not go, and where IPv4 does not: a browser in a namespace whose roads are really closed.
// SPDX-License-Identifier: Apache-2.0
import { expect, test } from '@playwright/test';
import { appendFileSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { Caller } from '../lib/caller.js';
import { cluster, freshRoom } from '../lib/cluster.js';
import { keepPeerConnections } from '../lib/senses.js';
import { Village } from '../lib/village.js';

interface Route {
  protocol: string;
  relayProtocol?: string;
  local: string;
  localAddress: string;
  localPort: number;
  remoteAddress: string;
  remotePort: number;
}

/** The pair of candidates that the browser sends by, in its own words; undefined before media can flow. */
function routeOf(caller: Caller): Promise<Route | undefined> {
  return caller.page.evaluate(async () => {
    const connection = (window as unknown as { peerConnections: RTCPeerConnection[] }).peerConnections.at(-1)!;
    const reports = new Map<string, Record<string, string>>();
    (await connection.getStats()).forEach((r) => reports.set(r.id, r));
    const transport = [...reports.values()].find((r) => r.type === 'transport')!;
    const pair = reports.get(transport.selectedCandidatePairId!);
    if (!pair || transport.dtlsState !== 'connected') return undefined;
    const local = reports.get(pair.localCandidateId!)!;
    const remote = reports.get(pair.remoteCandidateId!)!;
    return {
      protocol: local.protocol!,
      relayProtocol: local.relayProtocol,
      local: local.candidateType!,
      localAddress: String(local.address),
      localPort: Number(local.port),
      remoteAddress: String(remote.address),
      remotePort: Number(remote.port),
    };
  });
}

function port(name: string): number {
  return Number(new RegExp(`^${name}=(\\d+)$`, 'm').exec(readFileSync(path.join(cluster.data, 'etc/ports'), 'utf8'))![1]);
}

const nodes = () => cluster.services().filter((s) => s.name.startsWith('sfud-')).map((s) => s.name);

/** They look at the machine's addresses when they start. */
async function restartMedia(): Promise<void> {
  const names = [...nodes(), 'coturn'];
  await cluster.dev('stop', ...names);
  await cluster.dev('start', ...names);
}

async function onAllNodes(name: string, filter = ''): Promise<number> {
  const values = await Promise.all(nodes().map((n) => cluster.metric(n, name, filter)));
  return values.reduce((a, b) => a + b, 0);
}

test.describe('where not every packet goes', () => {
  let village: Village | undefined;

  test.beforeAll(async () => {
    test.setTimeout(60_000);
    test.skip(process.getuid!() !== 0, 'network namespaces want root');
    village = Village.found();
    const allowed = village.hostAddresses.map((a) => `allowed-peer-ip=${a}\n`).join('');
    appendFileSync(path.join(cluster.data, 'etc/coturn.conf'), allowed);
    await restartMedia();
  });

  test.beforeEach(() => village!.open());

  test.afterAll(async () => {
    if (!village) return;
    village.raze();
    await restartMedia();
  });

  /** The browser of the village, and one that has no such trouble. */
  async function call(name: string, flags: string[] = []): Promise<{ shut: Caller; free: Caller; close: () => Promise<void> }> {
    const room = freshRoom(name);
    const browser = await village!.launch(flags);
    const free = await Caller.join(room, 'Free', { query: 'res=360' });
    const shut = await Caller.join(room, 'Shut', { query: 'res=360', browser, before: keepPeerConnections });
    const close = async () => {
      await Promise.all([free.close(), shut.close()]);
      await browser.close();
      village!.closeDoors();
    };
    const joined = Date.now();
    await expect.poll(() => routeOf(shut), { message: 'ICE and DTLS are through', intervals: [50] }).toBeDefined();
    console.log(`  ${name}: media could flow ${Date.now() - joined} ms after the page was in the room`);
    await shut.expectMediaOf('Free');
    await free.expectMediaOf('Shut');
    return { shut, free, close };
  }

  test('without UDP the call comes up over ICE-TCP', async () => {
    village!.close({ ipproto: 'udp' });
    await village!.door(Number(new URL(cluster.url).port));
    const { shut, close } = await call('ice-tcp');
    const route = (await routeOf(shut))!;
    expect(route).toMatchObject({ protocol: 'tcp', local: expect.stringMatching(/host|prflx/) });
    expect(route.relayProtocol).toBeUndefined();
    expect(await onAllNodes('sfud_tcp_connections')).toBeGreaterThan(0);
    expect(await onAllNodes('sfud_tcp_frames_total', 'direction="in"')).toBeGreaterThan(100);
    await close();
    await expect.poll(() => onAllNodes('sfud_tcp_connections'), { message: 'connections go with their participant' }).toBe(0);
  });

  test('a connection of ICE-TCP that is lost is made anew, and the call goes on', async () => {
    village!.close({ ipproto: 'udp' });
    await village!.door(Number(new URL(cluster.url).port));
    const { shut, free, close } = await call('ice-tcp-lost');
    const { localPort, remotePort } = (await routeOf(shut))!;
    expect(village!.connections(remotePort)).toContain(`:${localPort} `);
    village!.cut(remotePort);
    const isCut = !village!.connections(remotePort).includes(`:${localPort} `);
    if (isCut) {
      await expect.poll(async () => (await routeOf(shut))?.localPort, { message: 'another connection' }).not.toBe(localPort);
      await shut.expectMediaOf('Free');
      await free.expectMediaOf('Shut');
      expect((await routeOf(shut))!.protocol).toBe('tcp');
    }
    await close();
    test.skip(!isCut, 'this kernel cannot end a connection from outside (CONFIG_INET_DIAG_DESTROY)');
  });

  test('without UDP and ICE-TCP it comes up over TURN on TLS', async () => {
    village!.close({ ipproto: 'udp' });
    village!.close({ ipproto: 'tcp', dport: '1024-65534' });
    await village!.door(Number(new URL(cluster.url).port), port('turns'));
    // The certificate is self-signed; everything else about TLS is real.
    const { shut, close } = await call('turn-tls', ['--ignore-certificate-errors']);
    expect(await routeOf(shut)).toMatchObject({ local: 'relay', relayProtocol: 'tls' });
    await close();
  });

  test('without IPv4 it comes up over IPv6', async () => {
    village!.forgetIpv4();
    await village!.door(Number(new URL(cluster.url).port));
    const { shut, close } = await call('ipv6');
    const route = (await routeOf(shut))!;
    expect(route.protocol).toBe('udp');
    expect(route.localAddress).toBe(village!.guestAddresses[1]);
    expect(route.remoteAddress).toContain(':');
    await close();
  });
});
