// Elements that show participants: their tracks, and the view that they make together.
// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LocalMedia } from '../src/local-media.js';
import { Room } from '../src/room.js';
import { FakePeerConnection, fakeMediaDevices, FakeServer, FakeTrack, person } from './fakes.js';

class FakeVideo {
  srcObject: { tracks: FakeTrack[] } | null = null;
  muted = false;
  style = { opacity: '' };
  listeners = 0;
  constructor(
    public width: number,
    public height: number,
  ) {}
  getBoundingClientRect() {
    return { width: this.width, height: this.height };
  }
  addEventListener() {
    this.listeners += 1;
  }
  removeEventListener() {
    this.listeners -= 1;
  }
  get shown() {
    return this.srcObject?.tracks[0]?.name ?? null;
  }
  get asVideo() {
    return this as unknown as HTMLVideoElement;
  }
}

/** Both observers: the test says what they see. */
class FakeObserver {
  static all: FakeObserver[] = [];
  targets = new Set<unknown>();
  constructor(readonly tell: (entries: unknown[]) => void) {
    FakeObserver.all.push(this);
  }
  observe(target: unknown) {
    this.targets.add(target);
  }
  unobserve(target: unknown) {
    this.targets.delete(target);
  }
  disconnect() {
    this.targets.clear();
  }
  static see(target: FakeVideo, news: object) {
    for (const o of FakeObserver.all) if (o instanceof this && o.targets.has(target)) o.tell([{ target, ...news }]);
  }
}
class Sizes extends FakeObserver {}
class Places extends FakeObserver {}
class FakeStream {
  constructor(readonly tracks: FakeTrack[]) {}
}

let server: FakeServer;
let room: Room;
const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms);
const views = () => server.ops('view').map((m) => (m['video'] as { participant: string; width: number; height: number }[]).map((v) => `${v.participant} ${v.width}x${v.height}`));
const camera = { source: 'camera' as const, muted: false };
const eve = person('p_eve', { tracks: [camera] });
const slots = (...owners: (string | null)[]) => owners.map((participant, i) => ({ mid: String(8 + i), kind: 'video', participant, source: participant ? 'camera' : null }));
const tell = (event: Record<string, unknown>) => server.socket.say(event);

beforeEach(async () => {
  vi.useFakeTimers();
  vi.stubGlobal('ResizeObserver', Sizes);
  vi.stubGlobal('IntersectionObserver', Places);
  vi.stubGlobal('MediaStream', FakeStream);
  vi.stubGlobal('devicePixelRatio', 2);
  FakeObserver.all = [];
  FakePeerConnection.all = [];
  server = new FakeServer();
  server.participants = [eve];
  room = new Room({
    room: 'standup',
    token: 'jwt',
    url: 'ws://test/ws',
    media: new LocalMedia({ mediaDevices: fakeMediaDevices() }),
    peer: { RTCPeerConnection: FakePeerConnection.asClass },
    signaling: { WebSocket: server.Socket },
    qualityIntervalMs: 0,
    playAudio: false,
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function join() {
  void room.join();
  await pass();
}

describe('without a word about the view', () => {
  it('nothing is said, so that the server goes on to choose, whoever comes', async () => {
    await join();
    tell({ op: 'participant-joined', seq: 13, participant: person('p_ben') });
    await pass(1000);
    expect(server.ops('view')).toEqual([]);
  });
});

describe('attached elements', () => {
  it('ask for whom they show in the size they have, the largest first, oneself not', async () => {
    const elements = new Map([['p_eve', new FakeVideo(160, 90)], ['p_1', new FakeVideo(160, 90)], ['p_ben', new FakeVideo(320, 180)]]);
    room.on('participant-joined', ({ id }) => room.attach(elements.get(id)!.asVideo, id));
    await join();
    await pass(100);
    expect(views()).toEqual([['p_eve 320x192']]);
    tell({ op: 'participant-joined', seq: 13, participant: person('p_ben', { tracks: [camera] }) });
    await pass(100);
    expect(views().at(-1)).toEqual(['p_ben 640x368', 'p_eve 320x192']);
    expect(elements.get('p_ben')!.muted).toBe(true);
    tell({ op: 'participant-left', seq: 14, participant: 'p_ben', reason: 'left' });
    await pass(100);
    expect(views().at(-1)).toEqual(['p_eve 320x192']);
    expect(elements.get('p_ben')!.listeners).toBe(0);
  });

  it('follow their size and whether they are on the screen', async () => {
    const video = new FakeVideo(160, 90);
    await join();
    room.attach(video.asVideo, eve.id);
    await pass(100);
    Sizes.see(video, { contentRect: { width: 640, height: 360 } });
    await pass(100);
    expect(views().at(-1)).toEqual(['p_eve 1280x720']);
    Places.see(video, { isIntersecting: false });
    await pass(100);
    expect(views().at(-1)).toEqual([]);
    Places.see(video, { isIntersecting: true });
    Sizes.see(video, { contentRect: { width: 0, height: 0 } }); // taken out of the page
    await pass(100);
    expect(views().at(-1)).toEqual([]);
  });

  it('get the track of whatever slot has it, and a new stream for each', async () => {
    const video = new FakeVideo(160, 90);
    await join();
    room.attach(video.asVideo, eve.id);
    expect(video.shown).toBe(null);
    tell({ op: 'slots', slots: slots('p_eve', null) });
    expect(video.shown).toBe('slot 8');
    const before = video.srcObject;
    tell({ op: 'slots', slots: slots(null, 'p_eve') });
    expect(video.shown).toBe('slot 9');
    expect(video.srcObject).not.toBe(before);
    tell({ op: 'participant-updated', seq: 13, participant: { ...eve, tracks: [{ ...camera, muted: true }] } });
    expect(video.shown).toBe(null);
  });

  it('show one’s own camera', async () => {
    await room.media.start();
    await join();
    const video = new FakeVideo(160, 90);
    room.attach(video.asVideo, room.self!);
    tell({ op: 'participant-updated', seq: 13, participant: { ...server.self!, tracks: [camera] } });
    expect(video.shown).toBe('cam');
    await pass(100);
    expect(views().at(-1) ?? []).toEqual([]);
  });

  it('show one thing each: the next takes over, and the end of the first is not its end', async () => {
    const video = new FakeVideo(160, 90);
    server.participants = [eve, person('p_ben', { tracks: [camera] })];
    server.slots = slots('p_eve', 'p_ben') as typeof server.slots;
    await join();
    const first = room.attach(video.asVideo, 'p_eve');
    const second = room.attach(video.asVideo, 'p_ben');
    expect(video.shown).toBe('slot 9');
    first();
    expect(video.shown).toBe('slot 9');
    second();
    expect(video.shown).toBe(null);
    await pass(100);
    expect(views().at(-1) ?? []).toEqual([]);
  });

  it('give way to setView, and let go when the room ends', async () => {
    const video = new FakeVideo(160, 90);
    server.slots = slots('p_eve') as typeof server.slots;
    await join();
    room.attach(video.asVideo, eve.id);
    room.setView([{ participant: 'p_eve', source: 'camera', width: 64, height: 64 }]);
    Sizes.see(video, { contentRect: { width: 640, height: 360 } });
    await pass(200);
    expect(views()).toEqual([['p_eve 64x64']]);
    expect(video.shown).toBe('slot 8');
    await room.leave();
    expect(video.shown).toBe(null);
    expect(video.listeners).toBe(0);
  });
});

describe('wrong arguments', () => {
  const code = async (work: () => unknown): Promise<unknown> => {
    try {
      await work();
      return 'nothing';
    } catch (error) {
      return [(error as Error).name, (error as { code?: string }).code];
    }
  };

  it('are refused by an error of ours, whatever the method', async () => {
    await join();
    const video = new FakeVideo(1, 1).asVideo;
    const loose = room as unknown as Record<string, (...args: unknown[]) => unknown>;
    const media = room.media as unknown as Record<string, (...args: unknown[]) => unknown>;
    const calls: Record<string, () => unknown> = {
      'attach: element': () => loose['attach']!('#tile', 'p_eve'),
      'attach: participant': () => loose['attach']!(video, undefined),
      'attach: source': () => loose['attach']!(video, 'p_eve', 'microphone'),
      'setView: no list': () => loose['setView']!({ participant: 'p_eve' }),
      'setView: entry': () => loose['setView']!([null]),
      'setView: source': () => loose['setView']!([{ participant: 'p_eve', source: 'face' }]),
      'setMuted': () => loose['setMuted']!('screen', true),
      'publish: source': () => loose['publish']!('face', new FakeTrack('video')),
      'publish: track': () => loose['publish']!('camera', undefined),
      'publish: kind': () => loose['publish']!('camera', new FakeTrack('audio')),
      'unpublish': () => loose['unpublish']!(7),
      'sendChat': () => loose['sendChat']!(7),
      'sendChat: to': () => loose['sendChat']!('hi', 7),
      'muteParticipant': () => loose['muteParticipant']!('p_eve', 'face'),
      'removeParticipant': () => loose['removeParticipant']!(),
      'lowerHand': () => loose['lowerHand']!({}),
      'selectSpeaker': () => loose['selectSpeaker']!(7),
      'media.select': () => media['select']!('screen', 'x'),
      'data.send': () => room.data.send('t', { a: 1 } as unknown as string),
    };
    for (const [name, call] of Object.entries(calls)) expect(await code(call), name).toEqual(['ConclaveError', 'bad-request']);
  });
});
