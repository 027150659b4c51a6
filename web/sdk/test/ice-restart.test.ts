// When ICE is restarted, how often, and when a new join is the only way left.
// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConclaveError } from '../src/errors.js';
import { IceRestarter, watchNetwork, type RestartOptions } from '../src/ice-restart.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());
const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

function world(options: RestartOptions = {}) {
  const asked: string[] = [];
  const w = {
    asked,
    possible: true,
    healthy: true,
    gaveUp: 0,
    answer: async (): Promise<void> => undefined,
    restarter: null as unknown as IceRestarter,
  };
  w.restarter = new IceRestarter(
    {
      restart: async ({ anew, attempt }) => {
        asked.push(`${anew ? 'new' : 'same'} ${attempt}`);
        await w.answer();
      },
      isPossible: () => w.possible,
      isHealthy: () => w.healthy,
      giveUp: () => void (w.gaveUp += 1),
    },
    { backoff: { baseMs: 1000, maxMs: 4000, random: () => 1 }, ...options },
  );
  return w;
}

const refuse = (code: string, retry?: number) => () => Promise.reject(new ConclaveError(code, code, retry));

describe('an ICE restart', () => {
  it('is made when ICE has been disconnected for 2 s, and not when it was a hiccup', async () => {
    const w = world();
    w.restarter.noteIce('disconnected');
    await pass(1900);
    w.restarter.noteIce('connected');
    await pass(1000);
    expect(w.asked).toEqual([]);
    w.restarter.noteIce('disconnected');
    await pass(2100);
    expect(w.asked).toEqual(['new 0']);
  });

  it('is made at once when ICE failed, or the network is another', async () => {
    const w = world();
    w.restarter.noteIce('failed');
    await pass();
    expect(w.asked).toEqual(['new 0']);
    await pass(5000);
    w.restarter.networkChanged();
    await pass(5000);
    expect(w.asked).toEqual(['new 0', 'new 0']);
    expect(w.gaveUp).toBe(0);
  });

  it('is made once, however often it is asked for', async () => {
    const w = world();
    for (let i = 0; i < 10; i++) w.restarter.begin();
    await pass(1000);
    for (let i = 0; i < 10; i++) w.restarter.begin();
    await pass(10_000);
    expect(w.asked).toEqual(['new 0']);
  });

  it('is made anew for a network that changes again meanwhile', async () => {
    const w = world();
    w.restarter.networkChanged();
    await pass(1000);
    w.restarter.networkChanged();
    await pass(10_000);
    expect(w.asked).toEqual(['new 0', 'new 0']);
  });

  it('is made once for a change that is said twice, and again if that was another', async () => {
    const w = world();
    w.restarter.networkChanged();
    await pass(100);
    w.restarter.networkChanged();
    await pass(10_000);
    expect(w.asked).toEqual(['new 0']);
    w.restarter.networkChanged();
    await pass(100);
    w.restarter.networkChanged();
    w.healthy = false;
    await pass(2000);
    w.healthy = true;
    await pass(10_000);
    expect(w.asked).toEqual(['new 0', 'new 0', 'new 0']);
  });

  it('is repeated with the same offer while the cluster cannot take it', async () => {
    const w = world();
    w.healthy = false;
    w.answer = refuse('unavailable', 1500);
    w.restarter.begin();
    await pass(1400);
    expect(w.asked).toEqual(['new 0']);
    w.answer = async () => void (w.healthy = true);
    await pass(200);
    expect(w.asked).toEqual(['new 0', 'same 1']);
    await pass(10_000);
    expect(w.gaveUp).toBe(0);
  });

  it('is tried three times when answers do not help, then given up', async () => {
    const w = world();
    w.healthy = false;
    w.restarter.begin();
    await pass(1000);
    expect(w.restarter.isPromising).toBe(true);
    await pass(10_500);
    expect(w.gaveUp).toBe(0);
    await pass(1000);
    expect(w.asked).toEqual(['new 0', 'new 1', 'new 2']);
    expect(w.gaveUp).toBe(1);
    expect(w.restarter.isPromising).toBe(false);
  });

  it.each(['not-found', 'node-timeout', 'bad-sdp'])('is given up at once on %s, if media are gone', async (code) => {
    const w = world();
    w.answer = refuse(code);
    w.restarter.begin();
    await pass(10_000);
    expect(w.gaveUp, 'media flow: nothing is lost yet').toBe(0);
    w.healthy = false;
    w.restarter.begin();
    await pass();
    expect(w.gaveUp).toBe(1);
  });

  it('waits for a socket, and is made when there is one', async () => {
    const w = world();
    w.possible = false;
    w.restarter.networkChanged();
    await pass(20_000);
    expect(w.asked).toEqual([]);
    w.possible = true;
    w.restarter.resumed();
    await pass();
    expect(w.asked).toEqual(['new 0']);
    w.answer = refuse('disconnected');
    w.healthy = false;
    await pass(4000);
    expect(w.gaveUp).toBe(0);
    w.answer = async () => void (w.healthy = true);
    w.restarter.resumed();
    await pass(5000);
    expect(w.asked).toEqual(['new 0', 'new 1', 'new 0']);
  });

  it('is not made after a resume that found media well', async () => {
    const w = world();
    w.restarter.resumed();
    await pass(5000);
    expect(w.asked).toEqual([]);
  });

  it('ends with its connection', async () => {
    const w = world();
    w.healthy = false;
    w.restarter.noteIce('disconnected');
    w.restarter.stop();
    await pass(20_000);
    w.restarter.networkChanged();
    await pass(1000);
    expect(w.asked).toEqual([]);
    expect(w.gaveUp).toBe(0);
  });
});

describe('another network', () => {
  it('is heard of by the online event and by another kind of link, not by an estimate', () => {
    const link = Object.assign(new EventTarget(), { type: 'wifi' });
    vi.stubGlobal('navigator', { connection: link });
    const events = new EventTarget();
    vi.stubGlobal('window', events);
    const changed = vi.fn();
    const stop = watchNetwork(changed);
    events.dispatchEvent(new Event('online'));
    expect(changed).toHaveBeenCalledTimes(1);
    link.dispatchEvent(new Event('change'));
    expect(changed).toHaveBeenCalledTimes(1);
    link.type = 'none';
    link.dispatchEvent(new Event('change'));
    expect(changed).toHaveBeenCalledTimes(1);
    link.type = 'cellular';
    link.dispatchEvent(new Event('change'));
    expect(changed).toHaveBeenCalledTimes(2);
    stop();
    events.dispatchEvent(new Event('online'));
    link.type = 'wifi';
    link.dispatchEvent(new Event('change'));
    expect(changed).toHaveBeenCalledTimes(2);
    vi.unstubAllGlobals();
  });
});
