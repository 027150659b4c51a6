// One person's camera, or one shared screen.
// SPDX-License-Identifier: Apache-2.0
import type { Bars, Participant } from '@conclave/sdk';
import { memo } from 'react';
import { Avatar, QualityBars, Video } from '../ui/bits';
import { HandIcon, MicOffIcon, OfflineIcon, PinIcon, ScreenIcon } from '../ui/icons';
import type { Placed } from './layout';

interface TileProps {
  tile: Placed;
  participant: Participant;
  speaking: boolean;
  quality: Bars;
  pinned: boolean;
  onPin: () => void;
  onFrame: () => void;
}

function TileView({ tile, participant, speaking, quality, pinned, onPin, onFrame }: TileProps) {
  const { isLocal, name, connected, hand } = participant;
  const isScreen = tile.source === 'screen';
  const track = participant.tracks[tile.source];
  const microphoneOff = participant.tracks.microphone?.muted !== false;
  const media = track && !track.muted ? track.mediaStreamTrack : null;
  const label = isScreen ? (isLocal ? 'Your screen' : `${name}’s screen`) : isLocal ? `${name} (you)` : name;
  const small = tile.width < 240;
  const states = [microphoneOff && !isScreen && 'microphone off', speaking && 'speaking', hand && !isScreen && 'hand raised', !connected && 'connection lost'].filter(Boolean);
  return (
    <article
      className={`tile ${speaking ? 'speaking' : ''} ${small ? 'tiny' : ''}`}
      style={{ left: tile.left, top: tile.top, width: tile.width, height: tile.height }}
      aria-label={[label, ...states].join(', ')}
      data-testid="tile"
      data-name={name}
      data-participant={participant.id}
      data-source={tile.source}
      data-local={isLocal}
      data-main={tile.main}
      data-speaking={speaking}
      data-microphone={microphoneOff ? 'muted' : 'on'}
      data-camera={participant.tracks.camera?.muted === false ? 'on' : 'muted'}
      data-connected={connected}
      data-hand={hand}
    >
      <div className="tile-avatar" aria-hidden="true">
        {isScreen ? <ScreenIcon size={44} /> : <Avatar name={name} size={Math.round(Math.max(36, Math.min(112, tile.height * 0.36)))} />}
      </div>
      {media ? <Video track={media} mirrored={isLocal && !isScreen} contain={isScreen} label={label} onFrame={onFrame} /> : null}
      {hand && !isScreen ? (
        <span className="tile-hand" title="Hand raised" data-testid="tile-hand">
          <HandIcon size={19} />
        </span>
      ) : null}
      {connected ? null : (
        <div className="tile-lost" data-testid="tile-lost">
          <OfflineIcon />
          <span>Connection lost</span>
        </div>
      )}
      <div className="tile-label">
        {microphoneOff && !isScreen ? (
          <span className="muted" title="Microphone off" data-testid="tile-muted">
            <MicOffIcon size={16} />
          </span>
        ) : null}
        <span className="name">{label}</span>
        {isScreen ? null : <QualityBars level={connected ? quality : 0} />}
      </div>
      <button type="button" className="icon-button tile-pin" aria-pressed={pinned} aria-label={`${pinned ? 'Unpin' : 'Pin'} ${label}`} onClick={onPin}>
        <PinIcon size={20} />
      </button>
    </article>
  );
}

export const Tile = memo(
  TileView,
  (a, b) =>
    a.participant === b.participant &&
    a.speaking === b.speaking &&
    a.quality === b.quality &&
    a.pinned === b.pinned &&
    a.tile.main === b.tile.main &&
    a.tile.left === b.tile.left &&
    a.tile.top === b.tile.top &&
    a.tile.width === b.tile.width &&
    a.tile.height === b.tile.height,
);
