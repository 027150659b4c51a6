// /r/<room>: lobby → room → left. Owns the local media, which live through all three.
// SPDX-License-Identifier: Apache-2.0
import { LocalMedia, type Room } from '@conclave/sdk';
import { useCallback, useEffect, useRef, useState } from 'react';
import { joinSentence, sentence } from '../messages';
import { readPrefs, writePrefs } from '../prefs';
import { navigate, type RoomRoute as Route } from '../router';
import { auth, makeRoom } from '../session';
import { RoomView } from '../room/RoomView';
import { Page } from '../ui/bits';
import { JoinProblem, Lobby } from './Lobby';

declare global {
  interface Window {
    /** A handle for debugging and tests: the room of this page, if any. */
    conclave?: { room: Room };
  }
}

/** Longer than this is worth an explanation. */
const PATIENCE_MS = 3000;
const SLOW = 'This takes longer than usual. Please wait…';

type Phase = { at: 'lobby'; error?: string } | { at: 'joining'; problem?: string } | { at: 'room'; room: Room } | { at: 'left'; reason: string; message: string };

export function RoomRoute({ route }: { route: Route }) {
  const [media] = useState(() => {
    const { microphone, camera } = readPrefs();
    return new LocalMedia({ microphoneId: microphone, cameraId: camera, video: { width: (route.lines * 16) / 9, height: route.lines, frameRate: 30 } });
  });
  const [phase, setPhase] = useState<Phase>(route.join ? { at: 'joining' } : { at: 'lobby' });
  const current = useRef<Room | null>(null);
  const [name, setName] = useState(route.name ?? auth.displayName ?? readPrefs().name ?? '');

  const join = useCallback(
    async (as: string, clickedAt: number) => {
      setPhase({ at: 'joining' });
      setName(as);
      if (!route.name) writePrefs({ name: as });
      const room = makeRoom(route.room, as, media, route.codec);
      current.current = room;
      // Quick ones need no words. Later say why it takes long, as soon as it is known.
      let problem = SLOW;
      let patienceOver = false;
      const patience = setTimeout(() => {
        patienceOver = true;
        if (current.current === room) setPhase({ at: 'joining', problem });
      }, PATIENCE_MS);
      try {
        window.conclave = { room };
        room.on('retrying', (error) => {
          problem = joinSentence(error);
          if (patienceOver && current.current === room && room.connection === 'connecting') setPhase({ at: 'joining', problem });
        });
        room.on('closed', ({ reason, message }) => {
          if (current.current === room && room.self) {
            media.stop();
            setPhase({ at: 'left', reason, message });
          }
        });
        await room.join(clickedAt);
        clearTimeout(patience);
        if (current.current !== room) return;
        const { speaker } = readPrefs();
        if (speaker) void room.selectSpeaker(speaker).catch(() => undefined);
        setPhase({ at: 'room', room });
      } catch (error) {
        clearTimeout(patience);
        if (current.current === room) setPhase({ at: 'lobby', error: sentence(error) });
      }
    },
    [media, route],
  );

  const cancel = useCallback(() => {
    const room = current.current;
    current.current = null;
    void room?.leave();
    setPhase({ at: 'lobby' });
  }, []);

  const started = useRef(false);
  useEffect(() => {
    if (!route.join || started.current) return;
    started.current = true;
    // Devices and server at the same time; what is acquired later is published then.
    void media.start({ microphone: route.audio, camera: route.video }).catch(() => undefined);
    void join(name || 'Guest', performance.now());
  }, [join, media, name, route]);

  useEffect(
    () => () => {
      void current.current?.leave();
      current.current = null;
      media.stop();
    },
    [media],
  );

  switch (phase.at) {
    case 'lobby':
    case 'joining':
      if (route.join && phase.at === 'joining') return <Joining room={route.room} problem={phase.problem} onCancel={cancel} />;
      return (
        <Lobby
          room={route.room}
          media={media}
          name={name}
          wants={{ microphone: route.audio, camera: route.video }}
          busy={phase.at === 'joining'}
          problem={phase.at === 'joining' ? phase.problem : undefined}
          onCancel={cancel}
          error={phase.at === 'lobby' ? phase.error : undefined}
          onJoin={(as) => void join(as, performance.now())}
        />
      );
    case 'room':
      return <RoomView room={phase.room} media={media} />;
    case 'left':
      return (
        <Page>
          <section className="card left" data-testid="left-page">
            <h1>{phase.reason === 'left' ? `You left ${route.room}` : `You are no longer in ${route.room}`}</h1>
            <p data-testid="left-reason">{phase.reason === 'left' ? 'Camera and microphone are off.' : phase.message}</p>
            <div className="row">
              <button type="button" className="button primary" onClick={() => setPhase({ at: 'lobby' })} data-testid="rejoin">
                Join again
              </button>
              <button type="button" className="button" onClick={() => navigate('/')}>
                Home
              </button>
            </div>
          </section>
        </Page>
      );
  }
}

function Joining({ room, problem, onCancel }: { room: string; problem?: string | undefined; onCancel: () => void }) {
  return (
    <Page>
      <section className="left">
        <span className="spinner" aria-hidden="true" />
        <p role="status">Joining {room}…</p>
        {problem ? <JoinProblem problem={problem} onCancel={onCancel} /> : null}
      </section>
    </Page>
  );
}
