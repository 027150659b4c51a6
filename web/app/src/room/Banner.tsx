// What is wrong with the connection, once it lasts long enough to be worth saying.
// SPDX-License-Identifier: Apache-2.0
import type { Room } from '@conclave/sdk';
import { useEffect, useState } from 'react';

const PATIENCE_MS = 600;

export function Banner({ room }: { room: Room }) {
  const reconnecting = room.connection === 'reconnecting';
  const [late, setLate] = useState(false);
  useEffect(() => {
    if (!reconnecting) {
      setLate(false);
      return;
    }
    const timer = setTimeout(() => setLate(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [reconnecting]);
  if (reconnecting && late) {
    return (
      <div className="banner" role="status" data-testid="reconnecting">
        <span className="spinner" aria-hidden="true" />
        {room.mediaLost ? 'Media connection lost. Reconnecting…' : 'Connection lost. Reconnecting…'}
      </div>
    );
  }
  if (room.audioBlocked) {
    return (
      <div className="banner" role="status">
        The browser blocked the sound.
        <button type="button" className="button primary small" onClick={() => void room.startAudio()} data-testid="start-audio">
          Turn on sound
        </button>
      </div>
    );
  }
  return null;
}
