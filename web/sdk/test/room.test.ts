// A room against a fake server: join, media, intents, and every way a connection can end.
// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LocalMedia } from '../src/local-media.js';
import { Room, type RoomOptions } from '../src/room.js';
import { FakePeerConnection, fakeMediaDevices, FakeServer, FakeTrack, person } from './fakes.js';

const schema = JSON.parse(readFileSync(new URL('../../../docs/protocol.schema.json', import.meta.url), 'utf8')) as { $id: string };
const ajv = new Ajv2020({ strict: false });
ajv.addSchema(schema);
const validClient = ajv.compile({ $ref: `${schema.$id}#/$defs/client` });

let server: FakeServer;
let devices: ReturnType<typeof fakeMediaDevices>;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  devices = fakeMediaDevices();
  FakePeerConnection.all = [];
});

afterEach(() => {
  vi.useRealTimers();
  // Whatever a test made the client say, it was valid.
  for (const message of server.received) expect(validClient(message), `${JSON.stringify(message)} ${ajv.errorsText(validClient.errors)}`).toBe(true);
});

/** Lets promises and timers of the next `ms` run. */
const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

function makeRoom(more: Partial<RoomOptions> = {}): Room {
  return new Room({
    room: 'standup',
    name: 'Ada',
    token: 'jwt',
    url: 'ws://test/ws',
    media: new LocalMedia({ mediaDevices: devices }),
    peer: { RTCPeerConnection: FakePeerConnection.asClass },
    signaling: { WebSocket: server.Socket },
    connector: { backoff: { baseMs: 100, maxMs: 1000, random: () => 1 } },
    qualityIntervalMs: 0,
    ...more,
  });
}

async function joined(more: Partial<RoomOptions> = {}): Promise<Room> {
  const room = makeRoom(more);
  const done = room.join();
  await pass();
  await done;
  return room;
}

const pc = () => FakePeerConnection.all[FakePeerConnection.all.length - 1]!;

describe('joining', () => {
  it('makes one offer with the m-lines of the protocol and applies one answer', async () => {
    const room = await joined();
    const lines = pc().transceivers.map((t) => `${t.kind} ${t.init.direction}`);
    expect(lines).toEqual(['audio sendonly', 'video sendonly', 'video sendonly', 'audio sendonly', ...Array(4).fill('audio recvonly'), ...Array(9).fill('video recvonly')]);
    expect(pc().transceivers[1]!.init.sendEncodings?.map((e) => [e.rid, e.scaleResolutionDownBy])).toEqual([['q', 4], ['h', 2], ['f', 1]]);
    expect(server.ops('join')[0]).toMatchObject({ token: 'jwt', room: 'standup', name: 'Ada', sdp: 'offer', sources: { 0: 'microphone', 1: 'camera', 2: 'screen', 3: 'screen-audio' } });
    expect(pc().remote).toEqual(['answer']);
    expect(server.socket.protocol).toBe('conclave.v1');
    expect(room.connection).toBe('connected');
    expect(room.self?.isLocal).toBe(true);
    expect((await room.stats()).setRemoteDescriptionCalls).toBe(1);
  });

  it('publishes what the lobby prepared, with its size', async () => {
    const media = new LocalMedia({ mediaDevices: devices });
    await media.start({ microphone: true, camera: true });
    await media.setMuted('microphone', true);
    await joined({ media });
    expect(pc().transceivers[1]!.sender.track).toBe(media.get('camera').track);
    expect(server.ops('publish')).toMatchObject([
      { source: 'microphone', muted: true },
      { source: 'camera', muted: false, width: 1280, height: 720 },
    ]);
  });

  it('fails with the server’s error and closes', async () => {
    server.answers['join'] = () => ({ op: 'error', error: 'room-full', message: 'The room is full.' });
    const room = makeRoom();
    const done = expect(room.join()).rejects.toMatchObject({ code: 'room-full' });
    await pass();
    await done;
    expect(room.connection).toBe('closed');
    expect(pc().closed).toBe(true);
  });

  it('gathers with TURN servers that arrive while the offer is made, and without them when they do not come', async () => {
    await joined({ iceServers: async () => [{ urls: 'turn:x' }] });
    expect(pc().configuration?.iceServers).toEqual([{ urls: 'turn:x' }]);
    const room = makeRoom({ iceServers: () => new Promise(() => undefined) });
    void room.join();
    await pass(1100);
    expect(room.connection).toBe('connected');
  });

  it('asks for a new token once when the old one is refused', async () => {
    const asked: boolean[] = [];
    const token = ({ refresh }: { refresh: boolean }) => (asked.push(refresh), refresh ? 'new' : 'old');
    const join = server.answers['join']!;
    server.answers['join'] = (m, s) => (m['token'] === 'old' ? { op: 'error', error: 'token-expired', message: 'x' } : join(m, s));
    await joined({ token });
    expect(asked).toEqual([false, true]);
  });

  it('tries again while no node is free', async () => {
    const join = server.answers['join']!;
    let refusals = 2;
    server.answers['join'] = (m, s) => (refusals-- > 0 ? { op: 'error', error: 'no-node', message: 'x', retry_after_ms: 500 } : join(m, s));
    const room = makeRoom();
    void room.join();
    await pass(900);
    expect(room.connection).toBe('connecting');
    await pass(200);
    expect(room.connection).toBe('connected');
  });
});

describe('participants and slots', () => {
  it('maps slots to tracks of participants, and says what was attached and detached', async () => {
    const camera = { source: 'camera' as const, muted: false, muted_by: null };
    server.participants = [person('p_bob', { tracks: [camera] }), person('p_eve', { tracks: [camera] })];
    server.slots = [{ mid: '8', kind: 'video', participant: 'p_bob', source: 'camera' }];
    const room = makeRoom();
    const log: string[] = [];
    room.on('track-attached', (e) => log.push(`+${e.participant.id} ${e.mid}`));
    room.on('track-detached', (e) => log.push(`-${e.participant} ${e.mid}`));
    void room.join();
    await pass();
    const slot8 = pc().transceivers[8]!.receiver.track.asTrack;
    expect(room.participants.get('p_bob')!.tracks.camera!.mediaStreamTrack).toBe(slot8);
    expect(room.participants.get('p_eve')!.tracks.camera!.mediaStreamTrack).toBeNull();
    server.socket.say({ op: 'slots', slots: [{ mid: '8', kind: 'video', participant: 'p_eve', source: 'camera' }, { mid: '9', kind: 'video', participant: null }] });
    expect(room.participants.get('p_bob')!.tracks.camera!.mediaStreamTrack).toBeNull();
    expect(room.participants.get('p_eve')!.tracks.camera!.mediaStreamTrack).toBe(slot8);
    expect(log).toEqual(['+p_bob 8', '-p_bob 8', '+p_eve 8']);
  });

  it('follows events and replaces everything on room-state, without touching the peer connection', async () => {
    const room = await joined();
    server.socket.say({ op: 'participant-joined', seq: 13, participant: person('p_bob') });
    server.socket.say({ op: 'participant-updated', seq: 14, participant: person('p_bob', { hand: true }) });
    expect(room.participants.get('p_bob')!.hand).toBe(true);
    server.socket.say({ op: 'room-state', seq: 20, participants: [server.self!, person('p_eve')] });
    expect([...room.participants.keys()]).toEqual(['p_1', 'p_eve']);
    server.socket.say({ op: 'participant-left', seq: 21, participant: 'p_eve', reason: 'left' });
    expect(room.participants.size).toBe(1);
    expect(pc().remote).toHaveLength(1);
  });

  it('keeps chat in order and drops duplicates', async () => {
    const room = await joined();
    const message = { op: 'chat', id: 'm1', from: 'p_bob', name: 'Bob', text: 'Hello', time: 1 };
    server.socket.say(message);
    server.socket.say(message);
    expect(room.chat.map((m) => m.text)).toEqual(['Hello']);
  });
});

describe('one’s own media', () => {
  it('stops the camera when muted and starts it again when unmuted', async () => {
    const room = await joined();
    await room.setMuted('camera', false);
    await pass();
    const first = devices.made[0]!;
    expect(pc().transceivers[1]!.sender.track).toBe(first);
    await room.setMuted('camera', true);
    await pass();
    expect(first.readyState).toBe('ended');
    expect(pc().transceivers[1]!.sender.track).toBeNull();
    await room.setMuted('camera', false);
    await pass();
    expect(server.received.filter((m) => ['publish', 'mute'].includes(m.op)).map((m) => [m.op, m['muted']])).toEqual([['publish', false], ['mute', true], ['mute', false]]);
    expect(pc().remote).toHaveLength(1);
  });

  it('keeps the microphone but disables it when muted', async () => {
    const room = await joined();
    await room.setMuted('microphone', false);
    await room.setMuted('microphone', true);
    expect(devices.made[0]).toMatchObject({ enabled: false, readyState: 'live' });
  });

  it('shares a screen with its sound and withdraws both when the browser ends it', async () => {
    const room = await joined();
    await room.startScreen();
    await pass();
    expect(server.ops('publish').map((m) => m['source'])).toEqual(['screen', 'screen-audio']);
    devices.made[0]!.onended!();
    await pass();
    expect(server.ops('unpublish').map((m) => m['source'])).toEqual(['screen', 'screen-audio']);
  });

  it('obeys a moderator and unmutes only when asked', async () => {
    const room = await joined();
    await room.setMuted('microphone', false);
    await pass();
    const heard: string[] = [];
    room.on('muted-by-moderator', (source) => heard.push(source));
    server.socket.say({ op: 'participant-updated', seq: 13, participant: { ...server.self!, tracks: [{ source: 'microphone', muted: true, muted_by: 'moderator' }] } });
    await pass();
    expect(heard).toEqual(['microphone']);
    expect(devices.made[0]!.enabled).toBe(false);
    expect(server.ops('mute')).toHaveLength(0);
    await room.setMuted('microphone', false);
    await pass();
    expect(server.ops('mute')).toMatchObject([{ source: 'microphone', muted: false }]);
  });

  it('repeats publish while the cluster is unavailable, with the newest wish', async () => {
    server.answers['publish'] = () => ({ op: 'error', error: 'unavailable', message: 'x', retry_after_ms: 1000 });
    const room = await joined();
    await room.setMuted('microphone', false);
    await pass(2500);
    expect(server.ops('publish').length).toBe(3);
    await room.setMuted('microphone', true);
    server.answers['publish'] = () => ({ op: 'ok' });
    await pass(1000);
    expect(server.ops('publish').pop()).toMatchObject({ muted: true });
    const before = server.received.length;
    await pass(4000);
    expect(server.received.slice(before).filter((m) => m.op !== 'ping')).toHaveLength(0);
  });

  it('does not repeat chat: the error comes to the caller', async () => {
    server.answers['chat'] = () => ({ op: 'error', error: 'unavailable', message: 'x', retry_after_ms: 1000 });
    const room = await joined();
    const failed = expect(room.sendChat('Hello')).rejects.toMatchObject({ code: 'unavailable' });
    await pass(3000);
    await failed;
    expect(server.ops('chat')).toHaveLength(1);
  });
});

describe('what the server says of layers', () => {
  const active = () => pc().transceivers[1]!.sender.parameters.encodings.map((e) => e.active);

  it('pauses what nobody watches, and restores it at once', async () => {
    const room = await joined();
    await room.setMuted('camera', false);
    await pass();
    const seen: unknown[] = [active()];
    for (const max of [0, -1, 1, 2]) {
      server.socket.say({ op: 'layers', source: 'camera', max });
      await pass();
      seen.push(active());
    }
    expect(seen).toEqual([[true, true, true], [true, false, false], [false, false, false], [true, true, false], [true, true, true]]);
  });

  it('is kept for a camera that comes later, and forgotten with the connection that said it', async () => {
    const room = await joined();
    server.socket.say({ op: 'layers', source: 'camera', max: 0 });
    await room.setMuted('camera', false);
    await pass();
    expect(active()).toEqual([true, false, false]);
    server.socket.drop(1006);
    await pass();
    expect(active()).toEqual([true, true, true]);
  });
});

describe('what the server says of quality', () => {
  const score = (participant: string, score: number) => server.socket.say({ op: 'quality', scores: [{ participant, score }] });

  it('makes the bars of others and of oneself worse, never better', async () => {
    server.participants = [person('p_bob'), person('p_eve')];
    const room = await joined();
    score('p_bob', 2);
    score('p_eve', 5);
    score('p_gone', 1);
    expect(Object.fromEntries(room.quality.participants)).toEqual({ p_bob: 1, p_eve: 4 });
    expect(room.quality.own).toBe(4);
    score('p_1', 3);
    expect(room.quality.own).toBe(2);
    score('p_1', 5);
    expect(room.quality.own).toBe(4);
  });
});

describe('what was said before one came', () => {
  it('is known from the join on: who is dominant, and how well everybody is', async () => {
    server.participants = [person('p_bob'), person('p_eve')];
    server.scores = [{ participant: 'p_bob', score: 2 }, { participant: 'p_eve', score: 5 }];
    server.dominant = 'p_eve';
    const room = await joined();
    expect(room.dominant).toBe('p_eve');
    expect(Object.fromEntries(room.quality.participants)).toEqual({ p_bob: 1, p_eve: 4 });
  });

  it('stays known when the signald that resumes does not know it, unless they have left', async () => {
    server.participants = [person('p_bob'), person('p_eve')];
    server.scores = [{ participant: 'p_bob', score: 2 }];
    server.dominant = 'p_eve';
    const room = await joined();
    server.dominant = null;
    server.scores = [];
    server.socket.drop(1006);
    await pass();
    expect(room.dominant).toBe('p_eve');
    expect(room.quality.participants.get('p_bob')).toBe(1);
    server.participants = [person('p_bob')];
    server.socket.drop(1006);
    await pass();
    expect(room.dominant).toBe(null);
  });
});

describe('a broken connection', () => {
  it('is resumed on a new socket with the resume token, media untouched', async () => {
    const room = await joined();
    const states: string[] = [];
    room.on('connection', (s) => states.push(s));
    server.socket.drop(1006);
    await pass();
    expect(states).toEqual(['reconnecting', 'connected']);
    expect(server.ops('resume')[0]).toMatchObject({ resume: 'resume-1', seq: 12 });
    expect(server.ops('join')).toHaveLength(1);
    expect(FakePeerConnection.all).toHaveLength(1);
    expect(pc().remote).toHaveLength(1);
  });

  it('is retried with growing delays until the server is back', async () => {
    const room = await joined();
    server.refuseConnections = true;
    server.socket.drop(1006);
    await pass(3000);
    // at 0, then after 200, 400, 800, 1000 (the maximum) ms
    expect(server.sockets.length).toBe(1 + 5);
    expect(room.connection).toBe('reconnecting');
    server.refuseConnections = false;
    await pass(1000);
    expect(room.connection).toBe('connected');
  });

  it('becomes a full rejoin with the same local tracks when the resume window is over', async () => {
    const room = await joined();
    await room.setMuted('camera', false);
    await pass();
    server.answers['resume'] = () => ({ op: 'error', error: 'resume-expired', message: 'x' });
    const how: boolean[] = [];
    room.on('reconnected', ({ rejoined }) => how.push(rejoined));
    server.socket.drop(1006);
    await pass(10);
    expect(how).toEqual([true]);
    expect(FakePeerConnection.all).toHaveLength(2);
    expect(FakePeerConnection.all[0]!.closed).toBe(true);
    expect(pc().transceivers[1]!.sender.track).toBe(devices.made[0]);
    expect(server.ops('publish')).toHaveLength(2);
    expect(room.self?.id).toBe('p_2');
    expect(await room.stats()).toMatchObject({ joins: 2, setRemoteDescriptionCalls: 2 });
  });

  it('is rejoined when media fail', async () => {
    const room = await joined();
    pc().setState('failed');
    await pass(10);
    expect(server.ops('leave')).toHaveLength(1);
    expect(server.ops('join')).toHaveLength(2);
    expect(room.connection).toBe('connected');
  });

  it('says again what it wants to see after a rejoin', async () => {
    const room = await joined();
    room.setView([{ participant: 'p_bob', source: 'camera', width: 640, height: 360 }]);
    await pass(200);
    server.socket.say({ op: 'media', state: 'failed' });
    await pass(10);
    expect(server.ops('view')).toHaveLength(2);
  });

  it('moves to another instance at once when this one drains', async () => {
    const room = await joined();
    const old = server.socket;
    server.answers['resume'] = (_m, s) => {
      old.drop(4409);
      void s;
      return { op: 'resumed', participant: 'p_1', room: 'standup', seq: 13, resume: 'next', resume_window_ms: 30000, role: 'member', participants: [server.self], slots: [] };
    };
    old.say({ op: 'closing', reason: 'draining' });
    await pass();
    expect(room.connection).toBe('connected');
    expect(server.sockets).toHaveLength(2);
  });

  it('notices a silent socket by its pings', async () => {
    const room = await joined();
    server.answers['ping'] = () => undefined;
    server.answers['resume'] = () => undefined;
    await pass(30_000);
    expect(room.connection).toBe('reconnecting');
  });

  it.each([
    [{ op: 'closing', reason: 'removed', message: 'Bye.' }, 'removed'],
    [{ op: 'closing', reason: 'replaced' }, 'replaced'],
  ])('ends for good on %o', async (event, reason) => {
    const room = await joined();
    const closed: string[] = [];
    room.on('closed', (c) => closed.push(c.reason));
    server.socket.say(event);
    await pass(5000);
    expect(closed).toEqual([reason]);
    expect(server.sockets).toHaveLength(1);
    expect(pc().closed).toBe(true);
  });

  it('is not retried after leaving', async () => {
    const room = await joined();
    const left = room.leave();
    await pass(10);
    await left;
    expect(server.ops('leave')).toHaveLength(1);
    expect(server.socket.closedWith).toBe(1000);
    await pass(5000);
    expect(server.sockets).toHaveLength(1);
  });
});

describe('a media path that dies without a word', () => {
  /** In a call in which something arrives until `room` says otherwise. */
  async function inCall() {
    const room = await joined();
    await room.setMuted('microphone', false);
    const states: string[] = [];
    room.on('connection', (s) => states.push(s));
    pc().arrived = 0;
    pc().setState('connected');
    await flow(2000);
    return { room, states };
  }
  /** Time passes and packets arrive. */
  async function flow(ms: number, path = pc()) {
    for (let t = 0; t < ms; t += 250) {
      path.arrived! += 1000;
      await pass(250);
    }
  }

  it('is said after 3 s and left after 6 s, by a new join', async () => {
    const { room, states } = await inCall();
    const old = server.socket;
    await pass(2400);
    expect(states).toEqual([]);
    await pass(1200);
    expect(states).toEqual(['reconnecting']);
    expect(room.mediaLost).toBe(true);
    expect(server.ops('join')).toHaveLength(1);
    await pass(3000);
    expect(server.ops('join')).toHaveLength(2);
    expect(server.ops('leave')).toHaveLength(1);
    expect(old.closedWith).toBe(1000);
    expect(FakePeerConnection.all[0]!.closed).toBe(true);
    expect(states).toEqual(['reconnecting', 'connected']);
    expect(room.mediaLost).toBe(false);
  });

  it('is no reason to leave when it comes back in time', async () => {
    const { room, states } = await inCall();
    await pass(4500);
    await flow(8000);
    expect(states).toEqual(['reconnecting', 'connected']);
    expect(room.mediaLost).toBe(false);
    expect(await room.stats()).toMatchObject({ joins: 1, setRemoteDescriptionCalls: 1 });
  });

  it('keeps the old connection until a join is answered, and calls off when media come back', async () => {
    const { room, states } = await inCall();
    const old = pc();
    const join = server.answers['join']!;
    server.answers['join'] = () => ({ op: 'error', error: 'unavailable', message: 'x', retry_after_ms: 1000 });
    await pass(10_000);
    expect(server.ops('join').length).toBeGreaterThan(2);
    expect(old.closed).toBe(false);
    expect(server.ops('leave')).toHaveLength(0);
    await flow(2500, old);
    const joins = server.ops('join').length;
    server.answers['join'] = join;
    await flow(5000, old);
    expect(server.ops('join')).toHaveLength(joins);
    expect(states).toEqual(['reconnecting', 'connected']);
    expect(room.peerConnection).toBe(old);
    await room.sendChat('still here');
    expect(await room.stats()).toMatchObject({ joins: 1, setRemoteDescriptionCalls: 1 });
  });

  it('is not blamed for a network that is away: the socket does not answer either', async () => {
    await inCall();
    server.answers['ping'] = () => undefined;
    await pass(9000);
    expect(server.ops('join')).toHaveLength(1);
  });

  it('is not seen in people who say nothing: STUN is enough', async () => {
    const { room, states } = await inCall();
    await room.setMuted('microphone', true);
    for (let i = 0; i < 6; i++) {
      await pass(5000);
      pc().arrived! += 1;
    }
    expect(states).toEqual([]);
  });

  it('is remedied by the join that is under way when the server says so, too: that one goes where the room is now', async () => {
    const { room, states } = await inCall();
    const first = server.socket;
    const join = server.answers['join']!;
    let answer: () => void = () => undefined;
    server.answers['join'] = (m, s) => {
      answer = () => s.say({ id: m['id'], ...(join(m, s) as object) });
      return undefined;
    };
    await pass(8500);
    expect(server.ops('join')).toHaveLength(2);
    first.say({ op: 'media', state: 'failed' });
    await pass(500);
    expect(server.ops('join')).toHaveLength(2);
    answer();
    await pass(500);
    expect(server.ops('join')).toHaveLength(2);
    expect(states).toEqual(['reconnecting', 'connected']);
    expect((await room.stats()).joins).toBe(2);
  });

  it('is followed by another join when the one under way fails, and leaves nobody behind', async () => {
    const { states } = await inCall();
    const first = server.socket;
    const join = server.answers['join']!;
    server.answers['join'] = () => undefined;
    await pass(8500);
    const second = server.socket;
    first.say({ op: 'media', state: 'failed' });
    server.answers['join'] = join;
    expect(server.ops('leave')).toHaveLength(0);
    await pass(12_000);
    expect(second.closedWith).toBe(1000);
    expect(server.ops('join')).toHaveLength(3);
    // What was not answered in time, and the old participant.
    expect(server.ops('leave')).toHaveLength(2);
    expect(states).toEqual(['reconnecting', 'connected']);
  });

  it('frees its own seat first in a full room', async () => {
    const { states } = await inCall();
    const join = server.answers['join']!;
    server.answers['join'] = (m, s) => (server.ops('leave').length ? join(m, s) : { op: 'error', error: 'room-full', message: 'x' });
    await pass(8000);
    expect(states).toEqual(['reconnecting', 'connected']);
  });
});

describe('a network that changes', () => {
  async function inCall() {
    server.answers['offer'] = (m) => ({ op: 'answer', sdp: `answer to ${String(m['sdp'])}`, slots: [] });
    const room = await joined();
    await room.setMuted('microphone', false);
    const states: string[] = [];
    room.on('connection', (s) => states.push(s));
    pc().arrived = 0;
    pc().setIce('connected');
    pc().setState('connected');
    for (let t = 0; t < 1000; t += 250) (pc().arrived! += 1000), await pass(250);
    return { room, states };
  }

  it('takes one offer and one answer, on the same connection', async () => {
    const { room, states } = await inCall();
    pc().setIce('disconnected');
    await pass(2500);
    expect(server.ops('offer')).toMatchObject([{ sdp: 'offer 1', sources: { 0: 'microphone', 1: 'camera', 2: 'screen', 3: 'screen-audio' } }]);
    expect(pc().remote).toEqual(['answer', 'answer to offer 1']);
    pc().setIce('connected');
    for (let t = 0; t < 10_000; t += 250) (pc().arrived! += 1000), await pass(250);
    expect(states).toEqual(['reconnecting', 'connected']);
    expect(server.ops('offer')).toHaveLength(1);
    expect(await room.stats()).toMatchObject({ joins: 1, resumes: 0, setRemoteDescriptionCalls: 2 });
  });

  it('is not answered by a new join while the node answers restarts', async () => {
    const { states } = await inCall();
    await pass(8000);
    expect(states).toEqual(['reconnecting']);
    expect(server.ops('offer').length).toBeGreaterThan(1);
    expect(server.ops('join')).toHaveLength(1);
    await pass(10_000);
    expect(server.ops('join'), 'three restarts came to nothing').toHaveLength(2);
    expect(states).toEqual(['reconnecting', 'connected']);
  });

  it('is answered by a new join when the node does not know us any more', async () => {
    const { states } = await inCall();
    server.answers['offer'] = () => ({ op: 'error', error: 'not-found', message: 'x' });
    pc().setIce('failed');
    pc().setState('failed');
    await pass(10);
    expect(server.ops('join')).toHaveLength(2);
    expect(states).toEqual(['reconnecting', 'connected']);
  });

  it('takes the socket along without a word: it is left when neither media nor a ping come, then resume, then restart', async () => {
    const { room, states } = await inCall();
    const { ping, offer } = server.answers;
    server.answers['ping'] = server.answers['offer'] = () => undefined;
    await pass(1400);
    expect(server.ops('offer'), 'asked for while it is not sure').toHaveLength(1);
    Object.assign(server.answers, { ping, offer });
    await pass(400);
    expect(server.ops('resume')).toHaveLength(1);
    expect(server.ops('offer').map((m) => m['sdp'])).toEqual(['offer 1', 'offer 2']);
    await pass(2000);
    expect(states, 'a socket alone is not the call').toEqual(['reconnecting']);
    for (let t = 0; t < 6000; t += 250) (pc().arrived! += 1000), await pass(250);
    expect(states).toEqual(['reconnecting', 'connected']);
    expect(await room.stats()).toMatchObject({ joins: 1, resumes: 1 });
    expect(server.ops('offer')).toHaveLength(2);
  });

  it('is said by the browser: a socket that does not answer is left before media are missed, however soon after another', async () => {
    vi.stubGlobal('navigator', {});
    vi.stubGlobal('window', new EventTarget());
    await inCall();
    const { ping } = server.answers;
    for (let change = 1; change <= 2; change++) {
      server.answers['ping'] = () => undefined;
      window.dispatchEvent(new Event('online'));
      await pass(800);
      server.answers['ping'] = ping!;
      expect(server.ops('resume')).toHaveLength(change);
      for (let t = 0; t < 4500; t += 250) (pc().arrived! += 1000), await pass(250);
    }
    vi.unstubAllGlobals();
  });

  it('loses the first knock of a new socket: it knocks again before TCP does', async () => {
    const { states } = await inCall();
    server.deafConnections = 1;
    server.socket.drop(1006);
    for (let t = 0; t < 1000; t += 200) (pc().arrived! += 1000), await pass(200);
    expect(server.sockets).toHaveLength(3);
    expect(states).toEqual(['reconnecting', 'connected']);
  });

  it('breaks the socket, too: resume first, then restart', async () => {
    const { room } = await inCall();
    server.socket.drop(1006);
    pc().setIce('disconnected');
    await pass(50);
    expect(room.connection).toBe('connected');
    expect(server.ops('resume')).toHaveLength(1);
    expect(server.ops('offer')).toHaveLength(1);
    expect(server.ops('join')).toHaveLength(1);
  });
});

describe('local media', () => {
  it('throws away a device that arrives after the person changed their mind', async () => {
    const late: ((s: unknown) => void)[] = [];
    const slow = { getUserMedia: () => new Promise((resolve) => late.push(resolve)) } as unknown as MediaDevices;
    const media = new LocalMedia({ mediaDevices: slow });
    const on = media.setMuted('camera', false);
    await media.setMuted('camera', true);
    const track = new FakeTrack('video');
    late[0]!({ getTracks: () => [track] });
    await on;
    expect(track.readyState).toBe('ended');
    expect(media.get('camera').track).toBeNull();
  });

  it('never opens a muted microphone when another one is chosen', async () => {
    const media = new LocalMedia({ mediaDevices: devices });
    await media.setMuted('microphone', false);
    await media.setMuted('microphone', true);
    const seen: boolean[] = [];
    media.on('changed', () => seen.push(media.get('microphone').muted));
    await media.select('microphone', 'other');
    expect(seen).toEqual([true]);
    expect(devices.made.map((t) => [t.enabled, t.readyState])).toEqual([[false, 'ended'], [false, 'live']]);
  });

  it('takes the microphone alone when there is no camera', async () => {
    const some = {
      getUserMedia: (c: { audio?: unknown; video?: unknown }) =>
        c.video ? Promise.reject(new DOMException('none', 'NotFoundError')) : devices.getUserMedia(c as MediaStreamConstraints),
    } as unknown as MediaDevices;
    const media = new LocalMedia({ mediaDevices: some });
    await expect(media.start({ microphone: true, camera: true })).rejects.toThrow('none');
    expect(media.get('microphone').muted).toBe(false);
  });
});
