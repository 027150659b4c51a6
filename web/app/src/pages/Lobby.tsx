// Before the room: look at yourself, choose devices, say your name.
// SPDX-License-Identifier: Apache-2.0
import type { LocalMedia } from '@conclave/sdk';
import { useEffect, useState, type FormEvent } from 'react';
import { deviceSentence } from '../messages';
import { useMedia } from '../room/useRoom';
import { useAuth } from '../session';
import { Avatar, Page, Video } from '../ui/bits';
import { DevicePickers } from '../ui/DevicePickers';
import { CameraIcon, CameraOffIcon, MicIcon, MicOffIcon } from '../ui/icons';

interface LobbyProps {
  room: string;
  media: LocalMedia;
  name: string;
  wants: { microphone: boolean; camera: boolean };
  busy: boolean;
  /** Why joining takes long. */
  problem?: string | undefined;
  error?: string | undefined;
  onJoin: (name: string) => void;
  onCancel: () => void;
}

/** What is shown while joining takes long. */
export function JoinProblem({ problem, onCancel }: { problem: string; onCancel: () => void }) {
  return (
    <div className="join-problem">
      <p className="notice" role="status" data-testid="join-problem">
        {problem}
      </p>
      <button type="button" className="button" onClick={onCancel} data-testid="join-cancel">
        Cancel
      </button>
    </div>
  );
}

export function Lobby({ room, media, name, wants, busy, problem: slow, error, onJoin, onCancel }: LobbyProps) {
  const auth = useAuth();
  useMedia(media);
  const [own, setOwn] = useState(name);
  const shown = auth.user?.display_name ?? own;
  const [problem, setProblem] = useState<string | null>(null);
  const microphone = media.get('microphone');
  const camera = media.get('camera');

  useEffect(() => {
    if (media.get('microphone').track || media.get('camera').track) return;
    media.start(wants).catch((cause: unknown) => setProblem(deviceSentence(cause, media.get('microphone').track ? 'camera' : 'camera and microphone')));
    // once
  }, [media]);

  const toggle = (source: 'microphone' | 'camera') => {
    setProblem(null);
    media.setMuted(source, !media.get(source).muted).catch((cause: unknown) => setProblem(deviceSentence(cause, source)));
  };
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (shown.trim()) onJoin(shown.trim());
  };

  return (
    <Page>
      <form className="lobby" onSubmit={submit}>
        <div className="preview" data-testid="preview">
          {camera.track ? <Video track={camera.track} mirrored label="Your camera" /> : null}
          {camera.track ? null : (
            <div className="preview-off">
              <Avatar name={shown || '?'} size={88} />
              <span>Your camera is off</span>
            </div>
          )}
          <div className="preview-controls">
            <Toggle on={!microphone.muted} what="microphone" onClick={() => toggle('microphone')} />
            <Toggle on={!camera.muted} what="camera" onClick={() => toggle('camera')} />
          </div>
        </div>
        <div className="card lobby-side">
          <div>
            <h1>{room}</h1>
            <p>Ready to join?</p>
          </div>
          {auth.user ? (
            <p className="hint">
              Joining as <strong>{auth.user.display_name}</strong>
            </p>
          ) : (
            <label className="field">
              <span>Your name</span>
              <input className="input" value={own} onChange={(e) => setOwn(e.target.value)} required maxLength={64} autoComplete="name" data-testid="name-input" />
            </label>
          )}
          <DevicePickers media={media} />
          {problem ? (
            <p className="notice" role="status" data-testid="device-problem">
              {problem}
            </p>
          ) : null}
          {error ? (
            <p className="form-error" role="alert" data-testid="join-error">
              {error}
            </p>
          ) : null}
          <button className="button primary block" type="submit" disabled={busy} data-testid="join-button">
            {busy ? <span className="spinner" aria-hidden="true" /> : null}
            {busy ? 'Joining…' : 'Join'}
          </button>
          {busy && slow ? <JoinProblem problem={slow} onCancel={onCancel} /> : null}
        </div>
      </form>
    </Page>
  );
}

function Toggle({ on, what, onClick }: { on: boolean; what: 'microphone' | 'camera'; onClick: () => void }) {
  const label = `Turn ${what} ${on ? 'off' : 'on'}`;
  const Icon = what === 'microphone' ? (on ? MicIcon : MicOffIcon) : on ? CameraIcon : CameraOffIcon;
  return (
    <button type="button" className={`control ${on ? '' : 'off'}`} aria-label={label} onClick={onClick} data-testid={`lobby-${what}`} data-on={on}>
      <Icon />
      <span className="tip" aria-hidden="true">
        {label}
      </span>
    </button>
  );
}
