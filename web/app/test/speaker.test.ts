// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { SpeakerChooser } from '../src/room/speaker';

const everybody = () => true;

describe('who is large in speaker view', () => {
  it('is the first who speaks, at once', () => {
    expect(new SpeakerChooser().update(['ada'], everybody, 0)).toBe('ada');
  });

  it('does not swap while several speak in turn', () => {
    const chooser = new SpeakerChooser();
    const seen = new Set<string | null>();
    for (let at = 0; at < 30_000; at += 250) seen.add(chooser.update(Math.floor(at / 750) % 2 ? ['ben', 'ada'] : ['ada', 'ben'], everybody, at));
    expect([...seen]).toEqual(['ada']);
  });

  it('is held for 3 s while they speak, even if another is louder', () => {
    const chooser = new SpeakerChooser();
    chooser.update(['ada'], everybody, 0);
    expect(chooser.update(['ben', 'ada'], everybody, 200)).toBe('ada');
    expect(chooser.due).toBe(3000);
    expect(chooser.update(['ben', 'ada'], everybody, 2900)).toBe('ada');
    expect(chooser.update(['ben', 'ada'], everybody, 3000)).toBe('ben');
    expect(chooser.due).toBeNull();
  });

  it('gives way after 1 s when they are silent', () => {
    const chooser = new SpeakerChooser();
    chooser.update(['ada'], everybody, 0);
    expect(chooser.update(['ben'], everybody, 500)).toBe('ada');
    expect(chooser.due).toBe(1500);
    expect(chooser.update(['ben'], everybody, 1500)).toBe('ben');
  });

  it('stays when nobody speaks', () => {
    const chooser = new SpeakerChooser();
    chooser.update(['ada'], everybody, 0);
    expect(chooser.update([], everybody, 60_000)).toBe('ada');
    expect(chooser.due).toBeNull();
  });

  it('is somebody who is here: who left is replaced at once, who is not known yet is not chosen', () => {
    const chooser = new SpeakerChooser();
    chooser.update(['ada'], everybody, 0);
    expect(chooser.update(['ada', 'ben'], (id) => id !== 'ada', 100)).toBe('ben');
    expect(chooser.update([], (id) => id === 'cleo', 200)).toBeNull();
    expect(chooser.update(['dora'], (id) => id === 'cleo', 300)).toBeNull();
  });
});
