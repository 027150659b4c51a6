// Things the room view remembers over time.
// SPDX-License-Identifier: Apache-2.0
import type { Room } from '@conclave/sdk';
import { useEffect, useRef, useState } from 'react';
import { SpeakerChooser } from './speaker';

/** −dBov: quieter than this is not speaking. */
export const AUDIBLE = 70;

/**
 * The other person who is large in speaker view; null before anybody spoke. The server says whose turn it is; the loudest stands in
 * until it has heard enough to tell.
 */
export function useSpeaker(room: Room): string | null {
  const named = useRef<string | null>(null);
  if (room.dominant !== null && room.dominant !== room.self?.id) named.current = room.dominant;
  if (named.current !== null && !room.participants.has(named.current)) named.current = null;
  const chooser = useRef<SpeakerChooser | null>(null);
  chooser.current ??= new SpeakerChooser();
  const [, wake] = useState(0);
  const audible = room.speakers.filter((s) => s.level < AUDIBLE && s.participant !== room.self?.id).map((s) => s.participant);
  const speaker = chooser.current.update(audible, (id) => id !== room.self?.id && room.participants.has(id), performance.now());
  const { due } = chooser.current;
  useEffect(() => {
    if (due === null) return;
    const timer = setTimeout(() => wake((n) => n + 1), Math.max(20, due - performance.now() + 5));
    return () => clearTimeout(timer);
  }, [due]);
  return named.current ?? speaker;
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
