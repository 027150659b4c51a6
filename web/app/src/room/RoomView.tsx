// The room: header, stage, one panel at a time, controls. Holds what is only about looking, not about the meeting.
// SPDX-License-Identifier: Apache-2.0
import type { LocalMedia, Room, Source } from '@conclave/sdk';
import { useCallback, useEffect, useState } from 'react';
import { deviceSentence, sentence } from '../messages';
import { announcement, toast } from '../toasts';
import { Dialog, QualityBars, ThemeButton } from '../ui/bits';
import { DevicePickers } from '../ui/DevicePickers';
import { LinkIcon, PeopleIcon } from '../ui/icons';
import { ChatPanel } from './ChatPanel';
import { Controls, type Command } from './Controls';
import { PeoplePanel } from './PeoplePanel';
import { Banner } from './Banner';
import { Shortcuts, useShortcuts } from './Shortcuts';
import { Stage } from './Stage';
import { useMedia, useRoom } from './useRoom';
import { useSpeaker, useUnread, useWakeLock } from './hooks';

type Panel = 'chat' | 'people' | null;
type Overlay = 'settings' | 'shortcuts' | null;

const SOURCE_WORDS: Record<Source, string> = { microphone: 'microphone', camera: 'camera', screen: 'screen', 'screen-audio': 'screen’s sound' };

export function RoomView({ room, media }: { room: Room; media: LocalMedia }) {
  useRoom(room);
  useMedia(media);
  const [panel, setPanel] = useState<Panel>(null);
  const [overlay, setOverlay] = useState<Overlay>(null);
  const [mode, setMode] = useState<'grid' | 'speaker'>('grid');
  const [pinned, setPinned] = useState<string | null>(null);
  const [draft, setDraft] = useState('');
  const speaker = useSpeaker(room);
  const unread = useUnread(room, panel === 'chat');
  useAnnouncements(room);
  useWakeLock();

  const run = useCallback(
    (command: Command) => {
      switch (command) {
        case 'microphone':
        case 'camera':
          room.setMuted(command, !media.get(command).muted).catch((e: unknown) => toast(deviceSentence(e, command) ?? ''));
          break;
        case 'screen':
          if (media.get('screen').active) room.stopScreen();
          else
            room.startScreen().catch((e: unknown) => {
              const text = deviceSentence(e, 'screen');
              if (text) toast(text);
            });
          break;
        case 'hand':
          room.setHand(!room.self?.hand).catch((e: unknown) => toast(sentence(e)));
          break;
        case 'chat':
        case 'people':
          setPanel((p) => (p === command ? null : command));
          break;
        case 'view':
          setMode((m) => (m === 'grid' ? 'speaker' : 'grid'));
          setPinned(null);
          break;
        case 'settings':
        case 'shortcuts':
          setOverlay(command);
          break;
        case 'close':
          setPanel(null);
          break;
        case 'leave':
          void room.leave();
          break;
      }
    },
    [room, media],
  );
  useShortcuts(run, overlay === null);

  return (
    <div className="room" data-testid="room" data-connection={room.connection} data-signald={room.signald}>
      <header className="room-head">
        <h1>{room.name}</h1>
        <span className="room-meta" title="People in the room">
          <PeopleIcon size={17} /> <span data-testid="people-count">{room.participants.size}</span>
          <span className="sr-only">people in the room</span>
        </span>
        <span className="room-meta">
          <QualityBars level={room.quality.own} />
        </span>
        <span className="grow" />
        <button type="button" className="button quiet small" onClick={() => void copyLink(room.name)} aria-label="Copy link to this room">
          <LinkIcon size={18} />
          <span className="wide-only">Copy link</span>
        </button>
        <ThemeButton />
      </header>
      <Stage room={room} media={media} mode={mode} pinned={pinned} onPin={setPinned} speaker={speaker} banner={<Banner room={room} />} />
      {panel ? <button type="button" className="scrim" aria-label="Close the panel" onClick={() => setPanel(null)} /> : null}
      {panel === 'chat' ? <ChatPanel room={room} draft={draft} onDraft={setDraft} onClose={() => setPanel(null)} /> : null}
      {panel === 'people' ? <PeoplePanel room={room} onClose={() => setPanel(null)} /> : null}
      <Controls room={room} media={media} panel={panel} mode={mode} unread={unread} run={run} />
      {overlay === 'settings' ? (
        <Dialog title="Settings" onClose={() => setOverlay(null)} testId="settings">
          <DevicePickers media={media} onSpeaker={(id) => void room.selectSpeaker(id).catch(() => undefined)} />
          <p className="hint">
            Connected through {room.signald ?? 'the server'}. Round trip {room.quality.rtt === null ? 'unknown' : `${Math.round(room.quality.rtt * 1000)} ms`}.
          </p>
        </Dialog>
      ) : null}
      {overlay === 'shortcuts' ? <Shortcuts onClose={() => setOverlay(null)} /> : null}
    </div>
  );
}

async function copyLink(name: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(`${location.origin}/r/${encodeURIComponent(name)}`);
    toast('The link is copied.');
  } catch {
    toast('The browser did not allow copying. The link is in the address bar.');
  }
}

/** Says aloud, and where it matters shows, what happens in the room. */
function useAnnouncements(room: Room): void {
  useEffect(() => {
    const say = (text: string) => announcement.set(text);
    const stops = [
      room.on('participant-joined', (p) => !p.isLocal && say(`${p.name} joined`)),
      room.on('participant-left', (p, reason) => say(`${p.name} ${reason === 'lost' ? 'lost the connection' : 'left'}`)),
      room.on('participant-updated', (now, before) => {
        if (!now.isLocal && now.hand && !before.hand) say(`${now.name} raised a hand`);
        if (now.tracks.screen && !before.tracks.screen && !now.isLocal) say(`${now.name} shares a screen`);
      }),
      room.on('chat', (m) => m.from !== room.self?.id && say(`${m.name}: ${m.text}`)),
      room.on('muted-by-moderator', (source) => toast(`A moderator turned off your ${SOURCE_WORDS[source]}.`)),
      room.on('error', (error) => toast(sentence(error))),
      room.on('reconnected', () => say('You are connected again')),
      room.on('connection', (state) => state === 'reconnecting' && say('Connection lost, reconnecting')),
      room.media.on('ended', (source) => {
        if (source === 'microphone' || source === 'camera') toast(`Your ${source} was disconnected.`);
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }, [room]);
}
