// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { parseRoute, roomName, suggestRoom } from '../src/router';
import { commandFor } from '../src/room/Shortcuts';
import { colourOf, initials } from '../src/ui/bits';
import { deviceSentence, joinSentence, sentence } from '../src/messages';
import { ConclaveError } from '@conclave/sdk';

describe('routes', () => {
  const parse = (path: string) => parseRoute(new URL(path, 'http://test'));
  it('are home and a room with its options', () => {
    expect(parse('/')).toEqual({ page: 'home' });
    expect(parse('/r/')).toEqual({ page: 'home' });
    expect(parse('/r/%E0%A4%A')).toEqual({ page: 'home' });
    expect(parse('/r/Stand%20Up?name=Ada&join=1&video=0')).toEqual({ page: 'room', room: 'stand-up', name: 'Ada', join: true, audio: true, video: false, lines: 720, codec: null });
    expect(parse('/r/x?res=360')).toMatchObject({ lines: 360 });
    expect(parse('/r/x?res=9999')).toMatchObject({ lines: 720 });
    expect(parse('/r/x?codec=av1')).toMatchObject({ codec: 'av1' });
    expect(parse('/r/x?codec=mjpeg')).toMatchObject({ codec: null });
  });
  it('hold room names of the protocol', () => {
    expect(roomName('Größe/2 x')).toBe('groe-2-x');
    expect(roomName('a'.repeat(100))).toHaveLength(64);
    expect(suggestRoom(() => 0.5)).toMatch(/^[a-z]+-[a-z]+-\d{3}$/);
  });
});

describe('shortcuts', () => {
  const key = (k: string, more: object = {}) => commandFor({ key: k, ctrlKey: false, metaKey: false, altKey: false, repeat: false, target: document.body, ...more });
  it('answer single keys in either case', () => {
    expect(key('m')).toBe('microphone');
    expect(key('M')).toBe('microphone');
    expect(key('?')).toBe('shortcuts');
  });
  it('are silent while typing, with modifiers, and when held down', () => {
    expect(key('m', { target: document.createElement('textarea') })).toBeNull();
    expect(key('c', { ctrlKey: true })).toBeNull();
    expect(key('m', { repeat: true })).toBeNull();
  });
});

describe('words', () => {
  it('give initials and a stable colour for any name', () => {
    expect(initials('Ada Lovelace')).toBe('AL');
    expect(initials('  ')).toBe('?');
    expect(initials('👩‍💻 x')).toContain('X');
    expect(colourOf('Ada')).toBe(colourOf('Ada'));
  });
  it('turn errors into sentences', () => {
    expect(sentence(new ConclaveError('bad-credentials', 'x'))).toMatch(/password is wrong/);
    expect(sentence(new ConclaveError('something-new', 'The server says so.'))).toBe('The server says so.');
    expect(joinSentence(new ConclaveError('unavailable', 'x'))).toBe('The server cannot take you in right now. Trying again…');
    expect(joinSentence(new ConclaveError('network', 'x'))).toMatch(/cannot be reached/);
    expect(deviceSentence(new DOMException('', 'NotAllowedError'), 'screen')).toBeNull();
    expect(deviceSentence(new DOMException('', 'NotFoundError'), 'camera')).toBe('No camera was found.');
  });
});
