// The list of cameras, microphones and speakers, kept up to date.
// SPDX-License-Identifier: Apache-2.0
import { Emitter } from './emitter.js';

export interface Device {
  id: string;
  label: string;
}

export interface DeviceList {
  microphones: readonly Device[];
  cameras: readonly Device[];
  speakers: readonly Device[];
}

const NONE: DeviceList = { microphones: [], cameras: [], speakers: [] };

export class Devices extends Emitter<{ changed: [DeviceList] }> {
  #list: DeviceList = NONE;
  readonly #listener = () => void this.refresh();

  constructor(private readonly media: MediaDevices | undefined = globalThis.navigator?.mediaDevices) {
    super();
    this.media?.addEventListener('devicechange', this.#listener);
  }

  get list(): DeviceList {
    return this.#list;
  }

  /** Labels are empty until the person has allowed a device; call it again then. */
  async refresh(): Promise<DeviceList> {
    const all = (await this.media?.enumerateDevices()) ?? [];
    const next: DeviceList = {
      microphones: pick(all, 'audioinput', 'Microphone'),
      cameras: pick(all, 'videoinput', 'Camera'),
      speakers: pick(all, 'audiooutput', 'Speaker'),
    };
    if (JSON.stringify(next) !== JSON.stringify(this.#list)) {
      this.#list = next;
      this.emit('changed', next);
    }
    return next;
  }

  stop(): void {
    this.media?.removeEventListener('devicechange', this.#listener);
  }
}

function pick(all: readonly MediaDeviceInfo[], kind: MediaDeviceKind, name: string): Device[] {
  return all.filter((d) => d.kind === kind && d.deviceId).map((d, i) => ({ id: d.deviceId, label: d.label || `${name} ${i + 1}` }));
}
