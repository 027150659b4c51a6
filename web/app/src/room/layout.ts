// Where tiles go. Pure: people and a rectangle in, positions and the `view` request out.
// SPDX-License-Identifier: Apache-2.0
import type { Participant, ViewEntry } from '@conclave/sdk';

export interface TileSpec {
  key: string;
  participant: string;
  source: 'camera' | 'screen';
  local: boolean;
}

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface Placed extends TileSpec, Box {
  main: boolean;
}

export interface Layout {
  tiles: Placed[];
  page: number;
  pages: number;
}

export interface LayoutInput {
  participants: readonly Participant[];
  mode: 'grid' | 'speaker';
  /** Key of a pinned tile. */
  pinned: string | null;
  /** Who spoke last, not oneself. */
  speaker: string | null;
  width: number;
  height: number;
  page: number;
  /** Video slots: no more remote tiles than this are shown at once. */
  slots: number;
}

const GAP = 8;
const ASPECT = 16 / 9;

export const tileKey = (participant: string, source: 'camera' | 'screen') => `${participant}/${source}`;

/** Room for the pager under the tiles. */
const PAGER = 44;

/** Screens first, then people in the order of joining, oneself last. */
export function tilesOf(participants: readonly Participant[]): TileSpec[] {
  const spec = (p: Participant, source: 'camera' | 'screen'): TileSpec => ({ key: tileKey(p.id, source), participant: p.id, source, local: p.isLocal });
  const screens = participants.filter((p) => p.tracks.screen).map((p) => spec(p, 'screen'));
  const others = participants.filter((p) => !p.isLocal).map((p) => spec(p, 'camera'));
  const self = participants.filter((p) => p.isLocal).map((p) => spec(p, 'camera'));
  return [...screens, ...others, ...self];
}

/** The grid of `count` tiles that makes them largest; tiles may be squarer than 16:9 on a portrait screen. */
export function bestGrid(count: number, width: number, height: number): { columns: number; rows: number; tile: { width: number; height: number } } {
  let best = { columns: 1, rows: Math.max(1, count), tile: { width: 0, height: 0 } };
  let bestArea = -1;
  const lowest = height > width ? 0.8 : 1.2;
  for (let columns = 1; columns <= Math.max(1, count); columns++) {
    const rows = Math.ceil(count / columns);
    const cellWidth = (width - GAP * (columns - 1)) / columns;
    const cellHeight = (height - GAP * (rows - 1)) / rows;
    if (cellWidth <= 0 || cellHeight <= 0) continue;
    // As wide as the cell allows, between `lowest` and 16:9.
    const aspect = Math.min(ASPECT, Math.max(lowest, cellWidth / cellHeight));
    const tileWidth = Math.min(cellWidth, cellHeight * aspect);
    const tileHeight = tileWidth / aspect;
    const area = tileWidth * tileHeight;
    if (area > bestArea * 1.001) {
      bestArea = area;
      best = { columns, rows, tile: { width: Math.floor(tileWidth), height: Math.floor(tileHeight) } };
    }
  }
  return best;
}

/** How many tiles are still worth looking at. */
export function capacity(width: number, height: number, slots: number): number {
  const smallest = width < 640 ? 150 : 210;
  const columns = Math.max(1, Math.floor((width + GAP) / (smallest + GAP)));
  const rows = Math.max(1, Math.floor((height + GAP) / ((smallest * 3) / 4 + GAP)));
  return Math.max(1, Math.min(columns * rows, slots + 1));
}

/** One page of `size` tiles: one's own is on every page, so the others take turns. */
function pageOf(items: readonly TileSpec[], size: number, page: number): { items: readonly TileSpec[]; page: number; pages: number } {
  if (items.length <= size) return { items, page: 0, pages: 1 };
  const own = items.filter((t) => t.local && t.source === 'camera');
  const others = items.filter((t) => !own.includes(t));
  const perPage = Math.max(1, size - own.length);
  const pages = Math.max(1, Math.ceil(others.length / perPage));
  const at = Math.min(Math.max(0, page), pages - 1);
  const shown = others.slice(at * perPage, (at + 1) * perPage);
  return { items: size > 1 ? [...shown, ...own] : shown, page: at, pages };
}

function grid(tiles: readonly TileSpec[], area: Box): Placed[] {
  const { columns, rows, tile } = bestGrid(tiles.length, area.width, area.height);
  const totalHeight = rows * tile.height + (rows - 1) * GAP;
  return tiles.map((spec, i) => {
    const row = Math.floor(i / columns);
    const inRow = Math.min(columns, tiles.length - row * columns);
    const rowWidth = inRow * tile.width + (inRow - 1) * GAP;
    return {
      ...spec,
      main: false,
      ...tile,
      left: Math.round(area.left + (area.width - rowWidth) / 2 + (i % columns) * (tile.width + GAP)),
      top: Math.round(area.top + (area.height - totalHeight) / 2 + row * (tile.height + GAP)),
    };
  });
}

export function layout(input: LayoutInput): Layout {
  const placed = place(input);
  return placed.pages > 1 ? place({ ...input, height: input.height - PAGER }) : placed;
}

function place(input: LayoutInput): Layout {
  const all = tilesOf(input.participants);
  const { width, height } = input;
  if (width <= 0 || height <= 0 || !all.length) return { tiles: [], page: 0, pages: 1 };
  const main = chooseMain(all, input);
  if (!main) {
    const page = pageOf(all, capacity(width, height, input.slots), input.page);
    return { tiles: grid(page.items, { left: 0, top: 0, width, height }), page: page.page, pages: page.pages };
  }
  const rest = all.filter((t) => t !== main);
  if (!rest.length) return { tiles: [{ ...main, main: true, left: 0, top: 0, width, height }], page: 0, pages: 1 };
  if (width >= height * 1.25) return sideStrip(main, rest, input);
  return main.source === 'screen' ? screenOnTop(main, rest, input) : bottomStrip(main, rest, input);
}

/** In the grid something is large only if it is pinned or a screen. */
function chooseMain(all: readonly TileSpec[], { participants, mode, pinned, speaker }: LayoutInput): TileSpec | undefined {
  const byKey = pinned ? all.find((t) => t.key === pinned) : undefined;
  const screen = all.find((t) => t.source === 'screen' && !t.local) ?? all.find((t) => t.source === 'screen');
  if (byKey ?? screen) return byKey ?? screen;
  if (mode !== 'speaker') return undefined;
  const spoke = all.find((t) => t.source === 'camera' && t.participant === speaker);
  if (spoke) return spoke;
  // Rather someone with a picture than someone whose connection is lost, who may be about to leave.
  const here = new Map(participants.map((p) => [p.id, p]));
  const others = all.filter((t) => !t.local);
  const connected = others.filter((t) => here.get(t.participant)?.connected);
  const visible = connected.find((t) => here.get(t.participant)?.tracks.camera?.muted === false);
  return visible ?? connected[0] ?? others[0] ?? all[0];
}

function sideStrip(main: TileSpec, rest: readonly TileSpec[], { width, height, page, slots }: LayoutInput): Layout {
  const stripWidth = Math.round(Math.min(260, Math.max(150, width * 0.19)));
  const tileHeight = Math.round(stripWidth / ASPECT);
  const fits = Math.max(1, Math.min(slots, Math.floor((height + GAP) / (tileHeight + GAP))));
  const shown = pageOf(rest, fits, page);
  const total = shown.items.length * tileHeight + (shown.items.length - 1) * GAP;
  const top = Math.round((height - total) / 2);
  const strip = shown.items.map((t, i) => ({ ...t, main: false, left: width - stripWidth, top: top + i * (tileHeight + GAP), width: stripWidth, height: tileHeight }));
  const large = { ...main, main: true, left: 0, top: 0, width: width - stripWidth - GAP, height };
  return { tiles: [large, ...strip], page: shown.page, pages: shown.pages };
}

function bottomStrip(main: TileSpec, rest: readonly TileSpec[], { width, height, page, slots }: LayoutInput): Layout {
  const stripHeight = Math.round(Math.min(120, height * 0.2));
  // Three abreast on a phone.
  const tileWidth = Math.floor(Math.min(stripHeight * 1.25, (width - 2 * GAP) / 3));
  const fits = Math.max(1, Math.min(slots, Math.floor((width + GAP) / (tileWidth + GAP))));
  const shown = pageOf(rest, fits, page);
  const total = shown.items.length * tileWidth + (shown.items.length - 1) * GAP;
  const left = Math.round((width - total) / 2);
  const strip = shown.items.map((t, i) => ({ ...t, main: false, left: left + i * (tileWidth + GAP), top: height - stripHeight, width: tileWidth, height: stripHeight }));
  const large = { ...main, main: true, left: 0, top: 0, width, height: height - stripHeight - GAP };
  return { tiles: [large, ...strip], page: shown.page, pages: shown.pages };
}

/** Upright: a wide screen needs little height, so people get the rest. */
function screenOnTop(main: TileSpec, rest: readonly TileSpec[], { width, height, page, slots }: LayoutInput): Layout {
  const top = Math.round(Math.min(height * 0.7, width / ASPECT + 56));
  const area = { left: 0, top: top + GAP, width, height: height - top - GAP };
  const shown = pageOf(rest, Math.min(slots, capacity(area.width, area.height, slots)), page);
  return { tiles: [{ ...main, main: true, left: 0, top: 0, width, height: top }, ...grid(shown.items, area)], page: shown.page, pages: shown.pages };
}

/** What to ask the server for: what is shown and published, the large one first. */
export function viewOf(tiles: readonly Placed[], participants: ReadonlyMap<string, Participant>, pixelRatio: number): ViewEntry[] {
  return tiles
    .filter((t) => !t.local && participants.get(t.participant)?.tracks[t.source])
    .sort((a, b) => Number(b.main) - Number(a.main))
    .map((t) => ({ participant: t.participant, source: t.source, width: t.width * pixelRatio, height: t.height * pixelRatio }));
}
