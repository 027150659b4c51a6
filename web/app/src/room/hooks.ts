// Things the room view remembers over time.
// SPDX-License-Identifier: Apache-2.0
import type { Room } from '@conclave/sdk';
import { useEffect, useRef, useState } from 'react';

/** −dBov: quieter than this is not speaking. */
export const AUDIBLE = 70;

/** The other person who spoke last, for the speaker view. The server's list has the hysteresis. */
export function useSpeaker(room: Room): string | null {
  const last = useRef<string | null>(null);
  const now = room.speakers.find((s) => s.level < AUDIBLE && s.participant !== room.self?.id);
  if (now) last.current = now.participant;
  if (last.current && !room.participants.has(last.current)) last.current = null;
  return last.current;
}

export function useUnread(room: Room, reading: boolean): number {
  const [seen, setSeen] = useState(() => room.chat.length);
  const [unread, setUnread] = useState(0);
  const count = room.chat.length;
  useEffect(() => {
    if (reading) {
      setSeen(count);
      setUnread(0);
      return;
    }
    if (count > seen) {
      const others = room.chat.slice(seen - count).filter((m) => m.from !== room.self?.id).length;
      setSeen(count);
      setUnread((n) => n + others);
    }
  }, [room, reading, count, seen]);
  return unread;
}

/** Keeps the screen on during a call, where the browser can. */
export function useWakeLock(): void {
  useEffect(() => {
    let lock: WakeLockSentinel | null = null;
    const take = () => {
      if (document.visibilityState !== 'visible') return;
      navigator.wakeLock?.request('screen').then(
        (l) => (lock = l),
        () => undefined,
      );
    };
    take();
    document.addEventListener('visibilitychange', take);
    return () => {
      document.removeEventListener('visibilitychange', take);
      void lock?.release().catch(() => undefined);
    };
  }, []);
}

/** The size of an element's content box, in whole pixels. */
export function useSize<E extends HTMLElement>(): [React.RefObject<E>, { width: number; height: number }] {
  const ref = useRef<E>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    const element = ref.current!;
    const read = () => setSize({ width: Math.floor(element.clientWidth), height: Math.floor(element.clientHeight) });
    read();
    const observer = new ResizeObserver(read);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, size];
}
