// Microphone with a meter, camera, speaker: in the lobby and in the settings.
// SPDX-License-Identifier: Apache-2.0
import { AudioOutput, type Device, type LocalMedia } from '@conclave/sdk';
import { useState } from 'react';
import { deviceSentence } from '../messages';
import { readPrefs, writePrefs } from '../prefs';
import { useMedia } from '../room/useRoom';
import { toast } from '../toasts';
import { Meter, useDevices } from './bits';

function Picker({ label, devices, value, onChange, testId }: { label: string; devices: readonly Device[]; value: string; onChange: (id: string) => void; testId: string }) {
  const known = devices.some((d) => d.id === value) ? value : (devices[0]?.id ?? '');
  return (
    <label className="field">
      <span>{label}</span>
      <select className="input" value={known} disabled={!devices.length} onChange={(e) => onChange(e.target.value)} data-testid={testId}>
        {devices.length ? null : <option value="">None found</option>}
        {devices.map((d) => (
          <option key={d.id} value={d.id}>
            {d.label}
          </option>
        ))}
      </select>
    </label>
  );
}

export function DevicePickers({ media, onSpeaker }: { media: LocalMedia; onSpeaker?: (id: string) => void }) {
  useMedia(media);
  const microphone = media.get('microphone').track;
  const camera = media.get('camera').track;
  const devices = useDevices(`${microphone?.id} ${camera?.id}`);
  const [speaker, setSpeaker] = useState(readPrefs().speaker ?? '');
  const choose = (source: 'microphone' | 'camera') => (id: string) => {
    writePrefs({ [source]: id });
    media.select(source, id).catch((error: unknown) => toast(deviceSentence(error, source) ?? ''));
  };
  const inUse = (track: MediaStreamTrack | null, fallback: string | undefined) => track?.getSettings().deviceId ?? fallback ?? '';
  return (
    <>
      <div className="device">
        <Picker label="Microphone" devices={devices.microphones} value={inUse(microphone, media.microphoneId)} onChange={choose('microphone')} testId="select-microphone" />
        <Meter track={media.get('microphone').muted ? null : microphone} />
      </div>
      <Picker label="Camera" devices={devices.cameras} value={inUse(camera, media.cameraId)} onChange={choose('camera')} testId="select-camera" />
      {AudioOutput.canSelect && devices.speakers.length ? (
        <Picker
          label="Speaker"
          devices={devices.speakers}
          value={speaker}
          testId="select-speaker"
          onChange={(id) => {
            setSpeaker(id);
            writePrefs({ speaker: id });
            onSpeaker?.(id);
          }}
        />
      ) : null}
    </>
  );
}
