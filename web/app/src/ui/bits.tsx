// Small shared components.
// SPDX-License-Identifier: Apache-2.0
import type { Bars as Level, DeviceList } from '@conclave/sdk';
import { Devices, LevelMeter } from '@conclave/sdk';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { navigate } from '../router';
import { useStore } from '../store';
import { setTheme, theme } from '../theme';
import { announcement, dismiss, toasts } from '../toasts';
import { CloseIcon, Mark, MoonIcon, SunIcon } from './icons';

export function Avatar({ name, size }: { name: string; size?: number }) {
  return (
    <span className={`avatar c${colourOf(name)}`} style={size ? ({ '--avatar': `${size}px` } as React.CSSProperties) : undefined} aria-hidden="true">
      {initials(name)}
    </span>
  );
}

export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const first = (word: string | undefined) => [...(word ?? '')][0] ?? '';
  return (first(words[0]) + (words.length > 1 ? first(words[words.length - 1]) : '')).toUpperCase() || '?';
}

export function colourOf(name: string): number {
  let hash = 7;
  for (const c of name) hash = (hash * 31 + c.codePointAt(0)!) >>> 0;
  return hash % 8;
}

const WORDS = ['No connection', 'Bad connection', 'Weak connection', 'Fair connection', 'Good connection'];

export function QualityBars({ level }: { level: Level }) {
  return (
    <span className={`bars q${level}`} role="img" aria-label={WORDS[level]} title={WORDS[level]}>
      {[1, 2, 3, 4].map((n) => (
        <i key={n} className={n <= level ? 'on' : ''} />
      ))}
    </span>
  );
}

interface VideoProps {
  track: MediaStreamTrack;
  mirrored?: boolean;
  contain?: boolean;
  label: string;
  onFrame?: () => void;
}

/** Shows a track from its first new frame on, so that a slot's previous picture is never seen under another name. */
export function Video({ track, mirrored, contain, label, onFrame }: VideoProps) {
  const ref = useRef<HTMLVideoElement>(null);
  const [ready, setReady] = useState(false);
  const notify = useRef(onFrame);
  notify.current = onFrame;
  useEffect(() => {
    const video = ref.current!;
    let current = true;
    const first = () => {
      if (!current) return;
      setReady(true);
      notify.current?.();
    };
    setReady(false);
    video.muted = true;
    video.srcObject = new MediaStream([track]);
    if ('requestVideoFrameCallback' in video) video.requestVideoFrameCallback(first);
    else (video as HTMLVideoElement).addEventListener('playing', first, { once: true });
    void video.play().catch(() => undefined);
    return () => {
      current = false;
      video.srcObject = null;
    };
  }, [track]);
  const classes = [ready && 'ready', mirrored && 'mirrored', contain && 'contain'].filter(Boolean).join(' ');
  return <video ref={ref} className={classes} autoPlay playsInline muted aria-label={label} />;
}

/** A bar that follows the loudness of a microphone. */
export function Meter({ track }: { track: MediaStreamTrack | null }) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const bar = ref.current!;
    bar.style.transform = 'scaleX(0)';
    if (!track) return;
    const meter = new LevelMeter(track);
    let shown = 0;
    let frame = 0;
    const draw = () => {
      const level = meter.read();
      shown = level > shown ? level : shown * 0.9 + level * 0.1;
      bar.style.transform = `scaleX(${shown.toFixed(3)})`;
      frame = requestAnimationFrame(draw);
    };
    frame = requestAnimationFrame(draw);
    return () => {
      cancelAnimationFrame(frame);
      meter.close();
    };
  }, [track]);
  return (
    <div className="meter" role="presentation" data-testid="mic-meter">
      <div ref={ref} />
    </div>
  );
}

/** A modal <dialog>: focus stays inside, Escape closes it. */
export function Dialog({ title, onClose, children, testId }: { title: string; onClose: () => void; children: ReactNode; testId?: string }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current!;
    if (!dialog.open) dialog.showModal();
    return () => dialog.close();
  }, []);
  return (
    <dialog ref={ref} className="dialog" aria-label={title} data-testid={testId} onClose={onClose} onClick={(e) => e.target === ref.current && onClose()}>
      <div className="dialog-head">
        <h2>{title}</h2>
        <button type="button" className="icon-button" aria-label="Close" onClick={onClose}>
          <CloseIcon />
        </button>
      </div>
      <div className="dialog-body">{children}</div>
    </dialog>
  );
}

export function ThemeButton() {
  const now = useStore(theme);
  const other = now === 'dark' ? 'light' : 'dark';
  return (
    <button type="button" className="icon-button" aria-label={`Use the ${other} theme`} title={`Use the ${other} theme`} onClick={() => setTheme(other)} data-testid="theme">
      {now === 'dark' ? <SunIcon /> : <MoonIcon />}
    </button>
  );
}

export function Brand() {
  return (
    <a
      className="brand"
      href="/"
      onClick={(e) => {
        if (e.metaKey || e.ctrlKey) return;
        e.preventDefault();
        navigate('/');
      }}
    >
      <Mark size={34} />
      Conclave
    </a>
  );
}

export function Page({ children, foot }: { children: ReactNode; foot?: ReactNode }) {
  return (
    <div className="page">
      <header className="page-head">
        <Brand />
        <ThemeButton />
      </header>
      <main className="page-main">{children}</main>
      <footer className="page-foot">{foot}</footer>
    </div>
  );
}

export function Toasts() {
  const list = useStore(toasts);
  const text = useStore(announcement);
  return (
    <>
      <div className="toasts" role="status" aria-live="polite">
        {list.map((t) => (
          <div key={t.id} className="toast" data-testid="toast">
            <span>{t.text}</span>
            <button type="button" className="icon-button" aria-label="Dismiss" onClick={() => dismiss(t.id)}>
              <CloseIcon size={16} />
            </button>
          </div>
        ))}
      </div>
      <div className="sr-only" aria-live="polite" data-testid="announcement">
        {text}
      </div>
    </>
  );
}

/** The devices there are; `trigger` re-reads them, as labels appear only once a device was allowed. */
export function useDevices(trigger: unknown): DeviceList {
  const [devices] = useState(() => new Devices());
  const [list, setList] = useState(devices.list);
  useEffect(() => {
    const stop = devices.on('changed', setList);
    return () => {
      stop();
      devices.stop();
    };
  }, [devices]);
  useEffect(() => void devices.refresh().catch(() => undefined), [devices, trigger]);
  return list;
}
