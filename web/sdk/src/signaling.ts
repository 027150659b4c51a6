// One WebSocket of `conclave.v1`: requests with replies, events, and a ping that notices a dead connection.
// It knows nothing of rooms or media; Room replaces it when it breaks.
// SPDX-License-Identifier: Apache-2.0
import { Emitter } from './emitter.js';
import { ConclaveError } from './errors.js';
import { SUBPROTOCOL, type Replies, type Requests, type ServerEvent, type ServerMessage, type WireError } from './protocol.js';

export interface SignalingOptions {
  /** How long an answer may take, in ms. */
  requestTimeoutMs?: number;
  /** How long opening the socket may take, in ms. */
  openTimeoutMs?: number;
  /** Between pings, in ms; 0 turns them off. */
  pingIntervalMs?: number;
  /** Without any message for this long after a ping the socket counts as dead, in ms. */
  pingTimeoutMs?: number;
  WebSocket?: new (url: string, protocol: string) => WebSocket;
}

interface Pending {
  resolve(message: unknown): void;
  reject(error: ConclaveError): void;
  timer: ReturnType<typeof setTimeout>;
}

export interface SignalingEvents {
  event: [ServerEvent];
  /** Errors that belong to no request. */
  error: [ConclaveError];
  /** Once, whoever closed it. */
  closed: [{ code: number; reason: string }];
  rtt: [number];
}

const toError = (m: WireError) => new ConclaveError(m.error, m.message || m.error, m.retry_after_ms);

export class Signaling extends Emitter<SignalingEvents> {
  readonly #socket: WebSocket;
  readonly #options: Required<Omit<SignalingOptions, 'WebSocket'>>;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #closed = false;
  #pingTimer: ReturnType<typeof setInterval> | null = null;
  #lastHeard = 0;
  /** Last measured round trip of a ping, in ms. */
  rtt: number | null = null;

  private constructor(socket: WebSocket, options: SignalingOptions) {
    super();
    this.#socket = socket;
    this.#options = {
      requestTimeoutMs: options.requestTimeoutMs ?? 10_000,
      openTimeoutMs: options.openTimeoutMs ?? 5_000,
      pingIntervalMs: options.pingIntervalMs ?? 5_000,
      pingTimeoutMs: options.pingTimeoutMs ?? 8_000,
    };
  }

  /** Resolves when the socket is open. Rejects with `disconnected` or `timeout`. */
  static open(url: string, options: SignalingOptions = {}): Promise<Signaling> {
    const Socket = options.WebSocket ?? WebSocket;
    return new Promise((resolve, reject) => {
      let socket: WebSocket;
      try {
        socket = new Socket(url, SUBPROTOCOL);
      } catch (error) {
        reject(new ConclaveError('disconnected', `The address ${url} cannot be opened: ${String(error)}`));
        return;
      }
      const self = new Signaling(socket, options);
      const timer = setTimeout(() => {
        self.#finish(1006, 'open timeout');
        reject(new ConclaveError('timeout', 'The server did not answer in time.'));
      }, self.#options.openTimeoutMs);
      socket.onopen = () => {
        clearTimeout(timer);
        self.#startPing();
        resolve(self);
      };
      socket.onmessage = (event) => self.#receive(event.data);
      socket.onclose = (event) => {
        clearTimeout(timer);
        reject(new ConclaveError('disconnected', 'The server cannot be reached.'));
        self.#finish(event.code, event.reason);
      };
    });
  }

  get isOpen(): boolean {
    return !this.#closed && this.#socket.readyState === 1;
  }

  /** Sends a request; resolves with its reply, rejects with its error. */
  request<Op extends keyof Requests>(op: Op, fields: Requests[Op]): Promise<Replies[Op]> {
    if (!this.isOpen) return Promise.reject(new ConclaveError('disconnected', 'The connection to the server is broken.'));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new ConclaveError('timeout', 'The server did not answer in time.'));
      }, this.#options.requestTimeoutMs);
      this.#pending.set(id, { resolve: resolve as (message: unknown) => void, reject, timer });
      this.#socket.send(JSON.stringify({ op, id, ...fields }));
    });
  }

  /** Closes the socket; pending requests are rejected with `disconnected`. */
  close(code = 1000): void {
    this.#finish(code, 'closed by the client');
  }

  /** It answers nothing: as if the network had closed it. */
  abandon(): void {
    this.#finish(1006, 'silent');
  }

  #receive(data: unknown): void {
    this.#lastHeard = Date.now();
    if (typeof data !== 'string') return;
    let message: ServerMessage;
    try {
      message = JSON.parse(data) as ServerMessage;
    } catch {
      return;
    }
    // A chat event's id is a string; a reply's id is the number we chose.
    if ('id' in message && typeof message.id === 'number') {
      this.#settle(message.id, message);
    } else if (message.op === 'error') {
      this.emit('error', toError(message));
    } else {
      this.emit('event', message as ServerEvent);
    }
  }

  #settle(id: number, message: ServerMessage): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    if (message.op === 'error') pending.reject(toError(message));
    else pending.resolve(message);
  }

  #startPing(): void {
    this.#lastHeard = Date.now();
    if (!this.#options.pingIntervalMs) return;
    this.#pingTimer = setInterval(() => void this.#ping(), this.#options.pingIntervalMs);
  }

  async #ping(): Promise<void> {
    const start = Date.now();
    if (start - this.#lastHeard > this.#options.pingTimeoutMs + this.#options.pingIntervalMs) {
      this.abandon();
      return;
    }
    try {
      await this.request('ping', {});
      this.rtt = Date.now() - start;
      this.emit('rtt', this.rtt);
    } catch {
      // not-joined, or the socket is going: silence is noticed above
    }
  }

  #finish(code: number, reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#pingTimer) clearInterval(this.#pingTimer);
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    if (this.#socket.readyState < 2) {
      // Browsers let a script close with 1000 or 3000-4999 only.
      const sendable = code === 1000 || code >= 3000 ? code : 1000;
      try {
        this.#socket.close(sendable);
      } catch {
        // already closing
      }
    }
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer);
      pending.reject(new ConclaveError('disconnected', 'The connection to the server broke.'));
    }
    this.#pending.clear();
    this.emit('closed', { code, reason });
  }
}
