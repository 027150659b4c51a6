// Who is here, and what a moderator may do about it.
// SPDX-License-Identifier: Apache-2.0
import type { Participant, Room } from '@conclave/sdk';
import { useState } from 'react';
import { sentence } from '../messages';
import { toast } from '../toasts';
import { Avatar, Dialog } from '../ui/bits';
import { CameraIcon, CameraOffIcon, CloseIcon, HandIcon, MicIcon, MicOffIcon, RemoveIcon } from '../ui/icons';

export function PeoplePanel({ room, onClose }: { room: Room; onClose: () => void }) {
  const [removing, setRemoving] = useState<Participant | null>(null);
  const moderator = room.self?.role === 'moderator';
  const attempt = (work: Promise<void>) => void work.catch((e: unknown) => toast(sentence(e)));
  // Raised hands first, else in the order of joining.
  const people = [...room.participants.values()].sort((a, b) => Number(b.hand) - Number(a.hand));
  return (
    <aside className="panel" aria-label="People" data-testid="people-panel">
      <header className="panel-head">
        <h2>People ({people.length})</h2>
        <button type="button" className="icon-button" aria-label="Close people" onClick={onClose}>
          <CloseIcon />
        </button>
      </header>
      <div className="panel-scroll" tabIndex={0} role="region" aria-label="Participants list">
        <ul className="people" data-testid="people-list">
          {people.map((p) => (
            <Person key={p.id} person={p} moderator={moderator} room={room} attempt={attempt} onRemove={() => setRemoving(p)} />
          ))}
        </ul>
      </div>
      {removing ? (
        <Dialog title={`Remove ${removing.name}?`} onClose={() => setRemoving(null)}>
          <p>They leave the room at once, and are told why.</p>
          <div className="row">
            <button type="button" className="button" onClick={() => setRemoving(null)}>
              Cancel
            </button>
            <button
              type="button"
              className="button danger"
              data-testid="confirm-remove"
              onClick={() => {
                attempt(room.removeParticipant(removing.id));
                setRemoving(null);
              }}
            >
              Remove
            </button>
          </div>
        </Dialog>
      ) : null}
    </aside>
  );
}

interface PersonProps {
  person: Participant;
  moderator: boolean;
  room: Room;
  attempt: (work: Promise<void>) => void;
  onRemove: () => void;
}

function Person({ person: p, moderator, room, attempt, onRemove }: PersonProps) {
  const acts = moderator && !p.isLocal;
  const micOn = p.tracks.microphone?.muted === false;
  const camOn = p.tracks.camera?.muted === false;
  const about = [p.isLocal && 'You', p.role === 'moderator' && 'Moderator', !p.connected && 'Connection lost'].filter(Boolean).join(' · ');
  return (
    <li className="person" data-testid="person" data-name={p.name} data-microphone={micOn ? 'on' : 'muted'}>
      <Avatar name={p.name} size={36} />
      <div>
        <div className="name">{p.name}</div>
        {about ? <div className="sub">{about}</div> : null}
      </div>
      <div className="state">
        {p.hand ? (
          acts ? (
            <button type="button" className="icon-button" aria-label={`Lower the hand of ${p.name}`} title="Lower hand" onClick={() => attempt(room.lowerHand(p.id))} data-testid="lower-hand">
              <HandIcon size={20} />
            </button>
          ) : (
            <HandIcon size={20} />
          )
        ) : null}
        {acts && micOn ? (
          <button type="button" className="icon-button" aria-label={`Mute ${p.name}`} title="Mute" onClick={() => attempt(room.muteParticipant(p.id, 'microphone'))} data-testid="mute-person">
            <MicIcon size={20} />
          </button>
        ) : micOn ? (
          <MicIcon size={20} />
        ) : (
          <MicOffIcon size={20} />
        )}
        {acts && camOn ? (
          <button type="button" className="icon-button" aria-label={`Turn off the camera of ${p.name}`} title="Turn off camera" onClick={() => attempt(room.muteParticipant(p.id, 'camera'))} data-testid="mute-camera">
            <CameraIcon size={20} />
          </button>
        ) : camOn ? (
          <CameraIcon size={20} />
        ) : (
          <CameraOffIcon size={20} />
        )}
        {acts ? (
          <button type="button" className="icon-button" aria-label={`Remove ${p.name}`} title="Remove" onClick={onRemove} data-testid="remove-person">
            <RemoveIcon size={20} />
          </button>
        ) : null}
      </div>
    </li>
  );
}
