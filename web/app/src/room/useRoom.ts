// React's view of a Room: re-render on each change, at most once per frame of work.
// SPDX-License-Identifier: Apache-2.0
import type { LocalMedia, Room } from '@conclave/sdk';
import { useCallback, useRef, useSyncExternalStore } from 'react';

export function useRoom(room: Room): Room {
  const version = useRef(0);
  const subscribe = useCallback(
    (listener: () => void) =>
      room.on('changed', () => {
        version.current += 1;
        listener();
      }),
    [room],
  );
  useSyncExternalStore(subscribe, () => version.current);
  return room;
}

export function useMedia(media: LocalMedia): LocalMedia {
  const version = useRef(0);
  const subscribe = useCallback(
    (listener: () => void) =>
      media.on('changed', () => {
        version.current += 1;
        listener();
      }),
    [media],
  );
  useSyncExternalStore(subscribe, () => version.current);
  return media;
}
