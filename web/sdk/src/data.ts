// Application data between the participants of a room: channels by topic and manner over one peer connection.
// The envelope and the limits are those of docs/protocol.md, "Data channels".
// SPDX-License-Identifier: Apache-2.0
import { want, wantText } from './arguments.js';
import { utf8, type Bytes } from './bytes.js';
import { ConclaveError } from './errors.js';

export interface DataMessage {
  /** The participant who said it. */
  from: string;
  topic: string;
  /** As it was sent: text as a string, bytes as bytes. */
  data: string | Bytes;
}

export interface DataFailure {
  /** Why something was not delivered: `forbidden`, `rate-limited`, `not-found`, `too-large`, `bad-request`; `too-many-topics` (one's own), `room-topics-full`: this one is not opened, what waited is lost; `topic-ended`: nobody talks in it any more; `closed`: the channel was, with what waited in it. */
  code: string;
  topic: string;
  /** Whom it was for, where the error is about that. */
  to: string | null;
}

export interface DataOptions {
  /** Only to this participant; default: to everybody else in the room. */
  to?: string;
  /** False: may be lost and overtaken, but is never late. Default true: all in order. */
  reliable?: boolean;
}

export interface DataHandlers {
  message(message: DataMessage): void;
  failure(failure: DataFailure): void;
}

export const DATA_PAYLOAD_MAX = 16_000;
export const DATA_TOPIC_MAX = 64;
const WAITING_MAX = 1024 * 1024;
const REOPEN_MS = 1000;
const REFUSED = new Set(['too-many-topics', 'room-topics-full']);
/** Of a channel that says nothing: it puts data into the one offer. */
const OFFER_STREAM = 62;
/** With these the server closes the channel: no other failure says so, and it is not opened again by itself. */
const ENDS = new Set([...REFUSED, 'topic-ended']);
const Kind = { bytes: 0, text: 1, error: 2 } as const;

interface Topic {
  channel: RTCDataChannel;
  /** Until it is open. */
  waiting: Bytes[];
  waitingBytes: number;
  /** Others talk in it: worth opening again. */
  isHeard: boolean;
  /** Closed by the server for a reason that is told already. */
  isEnded: boolean;
}

export class DataChannels {
  readonly #topics = new Map<string, Topic>();
  /** Topics that the server would not open just now: why, and until when we believe it. */
  readonly #refused = new Map<string, { code: string; until: number }>();
  #closed = false;

  constructor(
    private readonly pc: RTCPeerConnection,
    private readonly handlers: DataHandlers,
  ) {
    pc.createDataChannel('', { negotiated: true, id: OFFER_STREAM });
    pc.ondatachannel = ({ channel }) => this.#adopt(channel, true);
  }

  /** Throws `too-large`, `bad-request` (neither text nor bytes, or the topic), `rate-limited` (too much waits already), `disconnected`, and for a second why the topic was refused; what the server refuses comes as a failure. */
  send(topic: string, data: string | ArrayBuffer | ArrayBufferView, options: DataOptions = {}): void {
    const { to = '', reliable = true } = options ?? {};
    wantText(topic, 'A topic');
    wantText(to, 'The participant that data is for');
    want(typeof data === 'string' || ArrayBuffer.isView(data) || data instanceof ArrayBuffer, 'Data is text or bytes: a string, or a Uint8Array. Other values go through JSON.stringify.');
    if (this.#closed) throw new ConclaveError('disconnected', 'There is no connection.');
    const message = writeEnvelope(typeof data === 'string' ? utf8(data) : bytesOf(data), typeof data === 'string', to);
    if (utf8(topic).length > DATA_TOPIC_MAX) throw new ConclaveError('bad-request', `A topic has at most ${DATA_TOPIC_MAX} bytes.`);
    const refused = this.#refused.get(keyOf(topic, reliable));
    if (refused && Date.now() < refused.until) throw new ConclaveError(refused.code, 'The server has just refused this topic.');
    this.#refused.delete(keyOf(topic, reliable));
    const entry = this.#topics.get(keyOf(topic, reliable)) ?? this.#open(topic, reliable);
    if (entry.waitingBytes + entry.channel.bufferedAmount + message.length > WAITING_MAX) {
      throw new ConclaveError('rate-limited', 'Too much waits to be sent already.');
    }
    if (entry.channel.readyState === 'open') {
      entry.channel.send(message);
      return;
    }
    entry.waiting.push(message);
    entry.waitingBytes += message.length;
  }

  close(): void {
    this.#closed = true;
    this.pc.ondatachannel = null;
    this.#topics.clear();
    this.#refused.clear();
  }

  #open(topic: string, reliable: boolean): Topic {
    return this.#adopt(this.pc.createDataChannel(topic, reliable ? {} : { ordered: false, maxRetransmits: 0 }), false);
  }

  #adopt(channel: RTCDataChannel, isHeard: boolean): Topic {
    const reliable = channel.maxRetransmits === null && channel.maxPacketLifeTime === null;
    const key = keyOf(channel.label, reliable);
    const entry: Topic = { channel, waiting: [], waitingBytes: 0, isHeard, isEnded: false };
    // Both sides may have opened one at the same time: we go on sending in ours, and hear both.
    if (!this.#topics.has(key)) this.#topics.set(key, entry);
    channel.binaryType = 'arraybuffer';
    channel.onopen = () => {
      for (const message of entry.waiting.splice(0)) channel.send(message);
      entry.waitingBytes = 0;
    };
    channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (data instanceof ArrayBuffer) this.#hear(entry, new Uint8Array(data));
    };
    channel.onclose = () => {
      if (this.#topics.get(key) === entry) this.#topics.delete(key);
      if (this.#closed || entry.isEnded) return;
      this.handlers.failure({ code: 'closed', topic: channel.label, to: null });
      if (entry.isHeard) setTimeout(() => this.#reopen(channel.label, reliable), REOPEN_MS);
    };
    return entry;
  }

  /** What is said on that topic from now on opens a channel anew, and is told why not. */
  #end(entry: Topic, code: string): void {
    entry.isEnded = true;
    for (const [key, other] of this.#topics) {
      if (other !== entry) continue;
      this.#topics.delete(key);
      if (REFUSED.has(code)) this.#refused.set(key, { code, until: Date.now() + REOPEN_MS });
    }
    entry.channel.close();
  }

  /** The server closes what we were too slow for, and sends there again only once we have opened it. */
  #reopen(topic: string, reliable: boolean): void {
    if (!this.#closed && this.pc.connectionState === 'connected' && !this.#topics.has(keyOf(topic, reliable))) this.#open(topic, reliable);
  }

  #hear(entry: Topic, message: Bytes): void {
    const envelope = readEnvelope(message);
    if (!envelope) return;
    const { kind, name, payload } = envelope;
    const topic = entry.channel.label;
    if (kind === Kind.error) {
      if (ENDS.has(name)) this.#end(entry, name);
      this.handlers.failure({ code: name, topic, to: new TextDecoder().decode(payload) || null });
      return;
    }
    entry.isHeard = true;
    this.handlers.message({ from: name, topic, data: kind === Kind.text ? new TextDecoder().decode(payload) : payload });
  }
}

const keyOf = (topic: string, reliable: boolean) => `${reliable ? 'r' : 'l'} ${topic}`;

const bytesOf = (data: ArrayBuffer | ArrayBufferView): Uint8Array =>
  ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);

function writeEnvelope(payload: Uint8Array, isText: boolean, to: string): Bytes {
  const name = utf8(to);
  if (payload.length > DATA_PAYLOAD_MAX) throw new ConclaveError('too-large', `A message has at most ${DATA_PAYLOAD_MAX} bytes, not ${payload.length}.`);
  if (name.length > 255) throw new ConclaveError('not-found', 'There is no such participant.');
  const message = new Uint8Array(2 + name.length + payload.length);
  message[0] = isText ? Kind.text : Kind.bytes;
  message[1] = name.length;
  message.set(name, 2);
  message.set(payload, 2 + name.length);
  return message;
}

function readEnvelope(message: Bytes): { kind: number; name: string; payload: Bytes } | null {
  const [kind, length] = message;
  if (kind === undefined || length === undefined || kind > Kind.error || message.length < 2 + length) return null;
  return { kind, name: new TextDecoder().decode(message.subarray(2, 2 + length)), payload: message.slice(2 + length) };
}
