// One's own microphone, camera and screen: acquiring, muting, switching devices. Lives longer than a Room, so that a lobby
// can preview what the room will send and a rejoin keeps the devices.
// SPDX-License-Identifier: Apache-2.0
import { want, wantSource, wantText, wantTrack } from './arguments.js';
import { Emitter } from './emitter.js';
import { SOURCES, type Source } from './protocol.js';

export interface LocalSource {
  /** The person wants it published (it may be muted). */
  readonly active: boolean;
  readonly muted: boolean;
  /** Null while the camera is muted: the device is off and its light too. */
  readonly track: MediaStreamTrack | null;
  readonly width: number | null;
  readonly height: number | null;
}

export interface LocalMediaOptions {
  microphoneId?: string;
  cameraId?: string;
  /** Default 1280 × 720 at 30. */
  video?: { width: number; height: number; frameRate: number };
  audio?: { echoCancellation?: boolean; noiseSuppression?: boolean; autoGainControl?: boolean };
  mediaDevices?: MediaDevices;
}

export interface LocalMediaEvents {
  changed: [Source];
  /** The device vanished, or the person stopped the screen share in the browser's own bar. */
  ended: [Source];
}

const OFF: LocalSource = { active: false, muted: true, track: null, width: null, height: null };

export class LocalMedia extends Emitter<LocalMediaEvents> {
  #sources: Record<Source, LocalSource> = { microphone: OFF, camera: OFF, screen: OFF, 'screen-audio': OFF };
  #options: LocalMediaOptions;
  /** Newest request per source: an older one that ends later is thrown away. */
  readonly #turn: Record<Source, number> = { microphone: 0, camera: 0, screen: 0, 'screen-audio': 0 };

  constructor(options: LocalMediaOptions = {}) {
    super();
    this.#options = options;
  }

  get(source: Source): LocalSource {
    return this.#sources[source];
  }

  get microphoneId(): string | undefined {
    return this.#options.microphoneId;
  }

  get cameraId(): string | undefined {
    return this.#options.cameraId;
  }

  /** Asks for microphone and camera with one browser question. Takes what can be had, and throws why the rest cannot. */
  async start(wanted: { microphone?: boolean; camera?: boolean } = { microphone: true, camera: true }): Promise<void> {
    const sources = (['microphone', 'camera'] as const).filter((s) => wanted?.[s]);
    if (!sources.length) return;
    const turns = sources.map((s) => ++this.#turn[s]);
    try {
      const stream = await this.#devices().getUserMedia({
        audio: wanted.microphone ? this.#audioConstraints() : false,
        video: wanted.camera ? this.#videoConstraints() : false,
      });
      sources.forEach((source, i) => {
        const track = source === 'microphone' ? stream.getAudioTracks()[0] : stream.getVideoTracks()[0];
        if (track) this.#adopt(source, track, turns[i]!);
      });
    } catch (error) {
      if (sources.length === 1) throw error;
      const results = await Promise.allSettled(sources.map((s) => this.setMuted(s, false)));
      const failed = results.filter((r): r is PromiseRejectedResult => r.status === 'rejected');
      if (failed.length) throw failed[0]!.reason;
    }
  }

  /** Unmuting acquires the device if need be; muting the camera stops it, muting the microphone only silences it. */
  async setMuted(source: 'microphone' | 'camera', muted: boolean): Promise<void> {
    want(source === 'microphone' || source === 'camera', 'Only microphone and camera are muted; a screen is started and stopped.');
    const current = this.#sources[source];
    if (muted) {
      this.#turn[source] += 1;
      if (!current.active && !current.track) return;
      if (source === 'camera') {
        stop(current.track);
        this.#set(source, { ...current, muted: true, track: null });
      } else {
        if (current.track) current.track.enabled = false;
        this.#set(source, { ...current, muted: true });
      }
      return;
    }
    if (current.track && current.track.readyState === 'live') {
      current.track.enabled = true;
      this.#set(source, { ...current, active: true, muted: false });
      return;
    }
    await this.#acquire(source);
  }

  /** Chooses a device; it takes over at once if the source is in use. */
  async select(source: 'microphone' | 'camera', deviceId: string): Promise<void> {
    want(source === 'microphone' || source === 'camera', 'Only microphone and camera have devices to choose from.');
    wantText(deviceId, 'The id of a device');
    if (source === 'microphone') this.#options = { ...this.#options, microphoneId: deviceId };
    else this.#options = { ...this.#options, cameraId: deviceId };
    const current = this.#sources[source];
    if (!current.track) return;
    if (source === 'camera') stop(current.track); // some cameras open once only
    await this.#acquire(source, current.muted);
  }

  /** Throws a DOMException NotAllowedError when the person cancels. */
  async startScreen(): Promise<void> {
    const turn = ++this.#turn.screen;
    this.#turn['screen-audio'] = turn;
    const stream = await this.#devices().getDisplayMedia({ video: { frameRate: { max: 30 } }, audio: true });
    const [video] = stream.getVideoTracks();
    const [audio] = stream.getAudioTracks();
    if (video) {
      video.contentHint = 'detail';
      this.#adopt('screen', video, turn);
    }
    if (audio) this.#adopt('screen-audio', audio, turn);
  }

  stopScreen(): void {
    for (const source of ['screen', 'screen-audio'] as const) this.unpublish(source);
  }

  /** Stops the source and withdraws it. */
  unpublish(source: Source): void {
    wantSource(source);
    this.#turn[source] += 1;
    if (!this.#sources[source].active) return;
    stop(this.#sources[source].track);
    this.#set(source, OFF);
  }

  /** Publishes a track of your own making (a canvas, a file) as `source`. */
  publish(source: Source, track: MediaStreamTrack): void {
    wantTrack(source, track);
    this.#adopt(source, track, ++this.#turn[source]);
  }

  /** Stops every device. */
  stop(): void {
    for (const source of SOURCES) this.unpublish(source);
  }

  async #acquire(source: 'microphone' | 'camera', muted = false): Promise<void> {
    const turn = ++this.#turn[source];
    const stream = await this.#devices().getUserMedia(
      source === 'microphone' ? { audio: this.#audioConstraints() } : { video: this.#videoConstraints() },
    );
    const track = stream.getTracks()[0];
    if (track) this.#adopt(source, track, turn, muted);
  }

  #adopt(source: Source, track: MediaStreamTrack, turn: number, muted = false): void {
    if (turn !== this.#turn[source]) {
      track.stop();
      return;
    }
    const before = this.#sources[source].track;
    if (before !== track) stop(before);
    if (source === 'microphone') track.contentHint ||= 'speech';
    track.onended = () => {
      if (this.#sources[source].track !== track) return;
      if (source === 'screen') this.stopScreen();
      else if (source === 'screen-audio') this.unpublish(source);
      else this.#set(source, { ...this.#sources[source], muted: true, track: null });
      this.emit('ended', source);
    };
    track.enabled = !muted;
    const { width, height } = track.kind === 'video' ? track.getSettings() : { width: undefined, height: undefined };
    this.#set(source, { active: true, muted, track, width: whole(width), height: whole(height) });
  }

  #set(source: Source, next: LocalSource): void {
    this.#sources = { ...this.#sources, [source]: next };
    this.emit('changed', source);
  }

  #devices(): MediaDevices {
    const devices = this.#options.mediaDevices ?? globalThis.navigator?.mediaDevices;
    if (!devices) throw new DOMException('Camera and microphone need a page loaded over HTTPS or from localhost.', 'SecurityError');
    return devices;
  }

  #audioConstraints(): MediaTrackConstraints {
    return {
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
      ...this.#options.audio,
      ...(this.#options.microphoneId ? { deviceId: { ideal: this.#options.microphoneId } } : {}),
    };
  }

  #videoConstraints(): MediaTrackConstraints {
    const { width, height, frameRate } = this.#options.video ?? { width: 1280, height: 720, frameRate: 30 };
    return {
      width: { ideal: width },
      height: { ideal: height },
      frameRate: { ideal: frameRate, max: 30 },
      ...(this.#options.cameraId ? { deviceId: { ideal: this.#options.cameraId } } : {}),
    };
  }
}

function stop(track: MediaStreamTrack | null): void {
  if (!track) return;
  track.onended = null;
  track.stop();
}

const whole = (n: number | undefined): number | null => (n ? Math.round(n) : null);
