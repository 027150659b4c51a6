// SPDX-License-Identifier: Apache-2.0
import type { Participant, Track } from '@conclave/sdk';
import { describe, expect, it } from 'vitest';
import { bestGrid, layout, tileKey, viewOf, type LayoutInput } from '../src/room/layout';

const track = (source: Track['source']): Track => ({ source, muted: false, mutedBy: null, width: 1280, height: 720, mediaStreamTrack: null });
const person = (id: string, more: Partial<Participant> = {}): Participant => ({
  id,
  name: id,
  kind: 'guest',
  role: 'member',
  hand: false,
  connected: true,
  isLocal: id === 'me',
  tracks: { camera: track('camera') },
  ...more,
});
const room = (others: number): Participant[] => [person('me'), ...Array.from({ length: others }, (_, i) => person(`p${i}`))];
const input = (more: Partial<LayoutInput>): LayoutInput => ({ participants: room(2), mode: 'grid', pinned: null, speaker: null, width: 1256, height: 660, page: 0, slots: 9, ...more });

describe('the grid', () => {
  it('uses the columns that make tiles largest', () => {
    expect(bestGrid(1, 1200, 700).columns).toBe(1);
    expect(bestGrid(4, 1200, 700).columns).toBe(2);
    expect(bestGrid(9, 1200, 700).columns).toBe(3);
    expect(bestGrid(2, 360, 600).columns).toBe(1);
  });

  it.each([1, 2, 3, 5, 7, 10])('places %i people without overlap and inside', (n) => {
    for (const [width, height] of [[1256, 660], [344, 560], [700, 300]] as const) {
      const { tiles } = layout(input({ participants: room(n - 1), width, height }));
      for (const [i, a] of tiles.entries()) {
        expect(a.left).toBeGreaterThanOrEqual(0);
        expect(a.top).toBeGreaterThanOrEqual(0);
        expect(a.left + a.width).toBeLessThanOrEqual(width + 1);
        expect(a.top + a.height).toBeLessThanOrEqual(height + 1);
        for (const b of tiles.slice(i + 1)) {
          const apart = a.left + a.width <= b.left || b.left + b.width <= a.left || a.top + a.height <= b.top || b.top + b.height <= a.top;
          expect(apart).toBe(true);
        }
      }
    }
  });

  it('turns pages when there are more people than slots, with oneself on each', () => {
    const pages = [0, 1, 2, 99].map((page) => layout(input({ participants: room(24), page })));
    expect(pages[0]!.tiles).toHaveLength(10);
    expect(pages.map((p) => p.page)).toEqual([0, 1, 2, 2]);
    for (const { tiles } of pages) expect(tiles.at(-1)!.local).toBe(true);
    const seen = new Set(pages.flatMap((p) => p.tiles.map((t) => t.participant)));
    expect(seen.size).toBe(25);
  });

  it('leaves room for the pager', () => {
    const { tiles } = layout(input({ participants: room(24), height: 660 }));
    expect(Math.max(...tiles.map((t) => t.top + t.height))).toBeLessThanOrEqual(660 - 40);
  });

  it('never shows more of others than there are slots', () => {
    for (const n of [5, 12, 30]) {
      for (const mode of ['grid', 'speaker'] as const) {
        const { tiles } = layout(input({ participants: room(n), mode, width: 2500, height: 1400 }));
        expect(tiles.filter((t) => !t.local).length).toBeLessThanOrEqual(9);
      }
    }
  });
});

describe('what is large', () => {
  it('a shared screen, in either mode', () => {
    const participants = [...room(2), person('p9', { tracks: { screen: track('screen') } })];
    for (const mode of ['grid', 'speaker'] as const) {
      const main = layout(input({ participants, mode, speaker: 'p0' })).tiles.find((t) => t.main)!;
      expect(main.key).toBe(tileKey('p9', 'screen'));
    }
  });
  it('a shared screen on top of people when upright, without overlap', () => {
    const participants = [...room(8), person('p9', { tracks: { screen: track('screen') } })];
    const { tiles } = layout(input({ participants, width: 374, height: 700 }));
    const [main, ...rest] = tiles;
    expect(main!.source).toBe('screen');
    for (const t of rest) {
      expect(t.top).toBeGreaterThanOrEqual(main!.top + main!.height);
      expect(t.top + t.height).toBeLessThanOrEqual(700);
    }
  });
  it('a pinned tile before a screen', () => {
    const participants = [...room(2), person('p9', { tracks: { screen: track('screen') } })];
    expect(layout(input({ participants, pinned: tileKey('p1', 'camera') })).tiles[0]!.participant).toBe('p1');
  });
  it('who spoke last in speaker view, else the first other person', () => {
    expect(layout(input({ mode: 'speaker', speaker: 'p1' })).tiles[0]!.participant).toBe('p1');
    expect(layout(input({ mode: 'speaker' })).tiles[0]!.participant).toBe('p0');
  });
  it('somebody in speaker view, whoever left: first who is connected and has a picture', () => {
    const main = (participants: Participant[]) => layout(input({ participants, mode: 'speaker', speaker: 'gone', pinned: 'gone/camera' })).tiles.filter((t) => t.main);
    expect(main(room(2)).map((t) => t.participant)).toEqual(['p0']);
    expect(main([person('me'), person('p0', { connected: false }), person('p1', { tracks: {} }), person('p2')])[0]!.participant).toBe('p2');
    expect(main([person('me'), person('p0', { connected: false }), person('p1', { tracks: {} })])[0]!.participant).toBe('p1');
    expect(main([person('me'), person('p0', { connected: false })])[0]!.participant).toBe('p0');
    const alone = main([person('me')]);
    expect(alone[0]).toMatchObject({ participant: 'me', left: 0, top: 0, width: 1256, height: 660 });
  });
  it('nothing in the grid', () => {
    expect(layout(input({})).tiles.some((t) => t.main)).toBe(false);
  });
});

describe('the view request', () => {
  it('names what is published and visible, the large one first, in device pixels', () => {
    const participants = [...room(2), person('p9', { tracks: {} })];
    const { tiles } = layout(input({ participants, mode: 'speaker', speaker: 'p1' }));
    const view = viewOf(tiles, new Map(participants.map((p) => [p.id, p])), 2);
    expect(view.map((v) => v.participant)).toEqual(['p1', 'p0']);
    const main = tiles.find((t) => t.main)!;
    expect(view[0]).toMatchObject({ width: main.width * 2, height: main.height * 2 });
  });
});
