// Data channels over a peer connection that the test holds.
// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { DATA_PAYLOAD_MAX, DataChannels, type DataFailure, type DataMessage } from '../src/data.js';
import { FakeDataChannel, FakePeerConnection } from './fakes.js';

let pc: FakePeerConnection;
let data: DataChannels;
let heard: DataMessage[];
let failed: DataFailure[];

beforeEach(() => {
  pc = new FakePeerConnection();
  heard = [];
  failed = [];
  data = new DataChannels(pc as unknown as RTCPeerConnection, { message: (m) => heard.push(m), failure: (f) => failed.push(f) });
});

const code = (work: () => void): string => {
  try {
    work();
    return '';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('data channels', () => {
  it('puts data into the offer without a word of SCTP', () => {
    expect(pc.channels).toHaveLength(1);
    expect(pc.channels[0]!.init).toMatchObject({ negotiated: true });
  });

  it('opens one channel for a topic and manner, and keeps what is sent before it is open', () => {
    data.send('chat', 'a');
    data.send('chat', new Uint8Array([7]), { to: 'p_2' });
    data.send('chat', 'b', { reliable: false });
    const [, reliable, lossy] = pc.channels;
    expect(pc.channels).toHaveLength(3);
    expect(lossy!.init).toEqual({ ordered: false, maxRetransmits: 0 });
    expect(reliable!.sent).toEqual([]);
    reliable!.open();
    expect(reliable!.sent.map((m) => [...m])).toEqual([[1, 0, 97], [0, 3, 112, 95, 50, 7]]);
    data.send('chat', 'c');
    expect(reliable!.sent).toHaveLength(3);
  });

  it('tells what comes, in whichever channel', () => {
    const channel = new FakeDataChannel('cursor', { maxRetransmits: 0 });
    pc.ondatachannel!({ channel });
    channel.hear(1, 'p_ö', 'grüß');
    channel.hear(0, 'p_2', 'x');
    channel.hear(2, 'not-found', 'p_9');
    channel.onmessage!({ data: new Uint8Array([1, 9, 1]).buffer }); // no envelope
    expect(heard).toEqual([
      { from: 'p_ö', topic: 'cursor', data: 'grüß' },
      { from: 'p_2', topic: 'cursor', data: new Uint8Array([120]) },
    ]);
    expect(failed).toEqual([{ code: 'not-found', topic: 'cursor', to: 'p_9' }]);
    channel.open();
    data.send('cursor', 'back', { reliable: false });
    expect(pc.channels).toHaveLength(1);
  });

  it('refuses at once what the server would', () => {
    expect(code(() => data.send('t', 'x'.repeat(DATA_PAYLOAD_MAX + 1)))).toBe('too-large');
    expect(code(() => data.send('t'.repeat(65), 'x'))).toBe('bad-request');
    expect(code(() => Array.from({ length: 80 }, () => data.send('t', 'x'.repeat(DATA_PAYLOAD_MAX))))).toBe('rate-limited');
    data.close();
    expect(code(() => data.send('t', 'x'))).toBe('disconnected');
  });

  it('opens a channel again that the server closed, if it was of use', () => {
    vi.useFakeTimers();
    pc.connectionState = 'connected';
    data.send('used', 'x');
    data.send('useless', 'x');
    const [, used, useless] = pc.channels;
    const theirs = new FakeDataChannel('theirs', {});
    pc.ondatachannel!({ channel: theirs });
    theirs.drop();
    used!.hear(1, 'p_2', 'hi');
    used!.drop();
    useless!.drop();
    expect(failed.map((f) => [f.code, f.topic])).toEqual([['closed', 'theirs'], ['closed', 'used'], ['closed', 'useless']]);
    vi.advanceTimersByTime(2000);
    expect(pc.channels.slice(3).map((c) => c.label)).toEqual(['theirs', 'used']);
    vi.useRealTimers();
  });

  it('tells once why the server ended a topic, and lets it be', () => {
    vi.useFakeTimers();
    pc.connectionState = 'connected';
    data.send('one-too-many', 'x');
    const given = new FakeDataChannel('given', {});
    pc.ondatachannel!({ channel: given });
    given.hear(1, 'p_2', 'hi');
    pc.channels[1]!.hear(2, 'room-topics-full', '');
    given.hear(2, 'topic-ended', '');
    expect(code(() => data.send('one-too-many', 'x'))).toBe('room-topics-full');
    expect([pc.channels[1]!.readyState, given.readyState]).toEqual(['closed', 'closed']);
    vi.advanceTimersByTime(2000);
    expect(failed).toEqual([
      { code: 'room-topics-full', topic: 'one-too-many', to: null },
      { code: 'topic-ended', topic: 'given', to: null },
    ]);
    expect(pc.channels).toHaveLength(2);
    data.send('given', 'again');
    data.send('one-too-many', 'again');
    expect(pc.channels).toHaveLength(4);
    vi.useRealTimers();
  });

  it('takes bytes of any kind, and refuses what is neither text nor bytes by name', () => {
    data.send('t', new Uint8Array([1, 2]).buffer);
    data.send('t', new DataView(new Uint8Array([0, 3, 4]).buffer, 1));
    pc.channels[1]!.open();
    expect(pc.channels[1]!.sent.map((m) => [...m])).toEqual([[0, 0, 1, 2], [0, 0, 3, 4]]);
    const wrong = [undefined, null, 7, true, { at: 1 }, ['a'], () => ''];
    for (const value of wrong) expect(code(() => data.send('t', value as unknown as string)), String(value)).toBe('bad-request');
    expect(code(() => data.send(7 as unknown as string, 'a'))).toBe('bad-request');
    expect(code(() => data.send('t', 'a', { to: { id: 'p_2' } as unknown as string }))).toBe('bad-request');
    expect(code(() => data.send('t', 'a', null as unknown as undefined))).toBe('');
    expect(code(() => data.send('t', new ArrayBuffer(DATA_PAYLOAD_MAX + 1)))).toBe('too-large');
  });
});
