// What a viewer hears who loses packets: with redundant audio (RFC 2198), which the media node makes, and without. Figures are printed.
// SPDX-License-Identifier: Apache-2.0
import { type Browser, type BrowserContext, expect, test } from '@playwright/test';

import { launchChromium } from '../lib/browser.js';
import { Caller } from '../lib/caller.js';
import { freshRoom } from '../lib/cluster.js';
import { killRelays, readCapture, Relay } from '../lib/relay.js';
import { askForNothing, inbound, type Inbound } from '../lib/senses.js';

let browsers: Browser[] = [];
let callers: Caller[] = [];

test.beforeAll(async () => void (browsers = await Promise.all([launchChromium(), launchChromium()])));
test.afterAll(() => Promise.all(browsers.map((b) => b.close())));
test.afterEach(async () => {
  await Promise.all(callers.map((c) => c.close()));
  callers = [];
  killRelays();
});

/** In the page: offers opus alone. */
function offerNoRed(): void {
  type CreateOffer = (this: RTCPeerConnection, options?: RTCOfferOptions) => Promise<RTCSessionDescriptionInit>;
  const prototype = RTCPeerConnection.prototype as unknown as { createOffer: CreateOffer };
  const original = prototype.createOffer;
  prototype.createOffer = function (this: RTCPeerConnection, options?: RTCOfferOptions) {
    const codecs = RTCRtpReceiver.getCapabilities('audio')!.codecs.filter((codec) => codec.mimeType !== 'audio/red');
    for (const t of this.getTransceivers()) if (t.receiver.track.kind === 'audio') t.setCodecPreferences(codecs);
    return original.call(this, options);
  };
}

interface Listener {
  caller: Caller;
  relay: Relay;
}

async function listener(room: string, name: string, before?: () => void): Promise<Listener> {
  const relay = await Relay.start({ down: { delay_ms: 40, loss: 0.08 }, up: { delay_ms: 40 }, seed: 5 });
  const prepare = async (context: BrowserContext) => relay.attach(context);
  const caller = await Caller.join(room, name, { query: 'audio=0&video=0', browser: browsers[1]!, prepare, ...(before ? { before } : {}) });
  callers.push(caller);
  return { caller, relay };
}

/** The payload types that the answer names for a codec of sound. */
const typesOf = (caller: Caller, codec: string): Promise<number[]> =>
  caller.page.evaluate((wanted) => {
    const sdp: string = window.conclave.room.peerConnection.remoteDescription.sdp;
    return [...sdp.matchAll(new RegExp(`^a=rtpmap:(\\d+) ${wanted}/48000`, 'gm'))].map((m) => Number(m[1]));
  }, codec);

/** What the publisher's own encoder says it sends. */
const sentCodec = (caller: Caller): Promise<string> =>
  caller.page.evaluate(async () => {
    const reports = new Map<string, Record<string, unknown>>();
    ((await window.conclave.room.peerConnection.getStats()) as RTCStatsReport).forEach((r: Record<string, unknown>) => reports.set(r.id as string, r));
    const sender = [...reports.values()].find((r) => r.type === 'outbound-rtp' && r.kind === 'audio');
    return String(reports.get(sender?.codecId as string)?.mimeType);
  });

const heard = (s: Inbound): number => s.concealedSamples - s.silentConcealedSamples;

test('8 % loss toward a viewer: redundant audio is made for them, and is heard @once', async () => {
  test.setTimeout(180_000);
  const room = freshRoom('red');
  const pat = await Caller.join(room, 'Pat', { query: 'res=180', browser: browsers[0]! });
  callers.push(pat);
  const listeners = [await listener(room, 'Redd'), await listener(room, 'Plain', offerNoRed)];
  for (const { caller } of listeners) {
    await expect.poll(async () => (await caller.sees('Pat')).microphone?.totalAudioEnergy ?? 0, { timeout: 60_000 }).toBeGreaterThan(0);
    await askForNothing(caller); // sound is what this is about
  }
  await pat.page.waitForTimeout(8_000);
  const from = Date.now();
  const before = await Promise.all(listeners.map(({ caller }) => inbound(caller, 'Pat', 'microphone')));
  await pat.page.waitForTimeout(25_000);
  const after = await Promise.all(listeners.map(({ caller }) => inbound(caller, 'Pat', 'microphone')));
  const concealed = listeners.map((_, i) => (heard(after[i]!) - heard(before[i]!)) / (after[i]!.totalSamplesReceived - before[i]!.totalSamplesReceived));
  const lost = listeners.map((_, i) => after[i]!.packetsLost - before[i]!.packetsLost);
  const red = await Promise.all(listeners.map(({ caller }) => typesOf(caller, 'red')));
  const opus = await Promise.all(listeners.map(({ caller }) => typesOf(caller, 'opus')));
  const counts: { red: number; opus: number }[] = [];
  for (const [i, { relay }] of listeners.entries()) {
    await relay.counters();
    const packets = readCapture(relay.capture).filter((p) => p.atMs >= from);
    counts.push({ red: packets.filter((p) => red[i]!.includes(p.payloadType)).length, opus: packets.filter((p) => opus[i]!.includes(p.payloadType)).length });
  }
  const words = listeners.map((_, i) => `${lost[i]} packets lost, ${counts[i]!.red} red and ${counts[i]!.opus} opus on the wire, concealed ${(concealed[i]! * 100).toFixed(2)} %`);
  console.log(`8 % loss down, 80 ms, 25 s; the publisher sends ${await sentCodec(pat)}: with RED ${words[0]}; without ${words[1]}`);
  for (const { relay } of listeners) await relay.stop();
  expect(red[1]).toEqual([]);
  expect(counts[0]!.red).toBeGreaterThan(counts[0]!.opus * 10);
  expect(counts[1]!.red).toBe(0);
  expect(lost[1]).toBeGreaterThan(20);
  expect(concealed[0]).toBeLessThan(concealed[1]! / 3);
  expect(concealed[0]).toBeLessThan(0.03);
});
