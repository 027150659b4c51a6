// Lays the tiles out, asks the server for what is visible, and turns pages.
// SPDX-License-Identifier: Apache-2.0
import type { LocalMedia, Room } from '@conclave/sdk';
import { useEffect, useMemo, useState, type ReactNode } from 'react';
import { toast } from '../toasts';
import { LeftIcon, LinkIcon, RightIcon } from '../ui/icons';
import { AUDIBLE, useSize } from './hooks';
import { layout, viewOf } from './layout';
import { Tile } from './Tile';

interface StageProps {
  room: Room;
  media: LocalMedia;
  mode: 'grid' | 'speaker';
  pinned: string | null;
  onPin: (key: string | null) => void;
  speaker: string | null;
  banner: ReactNode;
}

export function Stage({ room, mode, pinned, onPin, speaker, banner }: StageProps) {
  const [ref, size] = useSize<HTMLElement>();
  const [page, setPage] = useState(0);
  const { participants } = room;
  const placed = useMemo(
    () => layout({ participants: [...participants.values()], mode, pinned, speaker, ...size, page, slots: room.videoSlots }),
    [participants, mode, pinned, speaker, size, page, room],
  );
  useEffect(() => {
    if (size.width) room.setView(viewOf(placed.tiles, participants, window.devicePixelRatio || 1));
  }, [room, placed, participants, size]);
  useEffect(() => setPage(placed.page), [placed.page]);

  const speaking = new Set(room.speakers.filter((s) => s.level < AUDIBLE).map((s) => s.participant));
  return (
    <main className="stage" ref={ref} aria-label="Participants" data-testid="stage" data-mode={mode}>
      {placed.tiles.map((tile) => {
        const participant = participants.get(tile.participant);
        return participant ? (
          <Tile
            key={tile.key}
            tile={tile}
            participant={participant}
            speaking={tile.source === 'camera' && speaking.has(participant.id) && participant.tracks.microphone?.muted === false}
            quality={participant.isLocal ? room.quality.own : (room.quality.participants.get(participant.id) ?? 4)}
            pinned={pinned === tile.key}
            onPin={() => onPin(pinned === tile.key ? null : tile.key)}
            onFrame={() => !participant.isLocal && room.noteFirstFrame()}
          />
        ) : null;
      })}
      {placed.pages > 1 ? (
        <div className="pager" role="group" aria-label="Pages">
          <button type="button" className="icon-button" aria-label="Previous page" disabled={placed.page === 0} onClick={() => setPage(placed.page - 1)} data-testid="page-previous">
            <LeftIcon size={20} />
          </button>
          <span data-testid="page">
            {placed.page + 1} / {placed.pages}
          </span>
          <button type="button" className="icon-button" aria-label="Next page" disabled={placed.page === placed.pages - 1} onClick={() => setPage(placed.page + 1)} data-testid="page-next">
            <RightIcon size={20} />
          </button>
        </div>
      ) : null}
      {participants.size === 1 && room.connection === 'connected' ? (
        <div className="alone">
          You are the only one here.
          <button type="button" className="button small" onClick={() => void share(room.name)}>
            <LinkIcon size={17} /> Invite
          </button>
        </div>
      ) : null}
      {banner}
    </main>
  );
}

async function share(name: string): Promise<void> {
  const url = `${location.origin}/r/${encodeURIComponent(name)}`;
  try {
    if (navigator.share && matchMedia('(pointer: coarse)').matches) await navigator.share({ title: 'Conclave', url });
    else {
      await navigator.clipboard.writeText(url);
      toast('The link is copied. Send it to whom you want to meet.');
    }
  } catch (error) {
    if ((error as DOMException).name !== 'AbortError') toast('The link is in the address bar.');
  }
}
