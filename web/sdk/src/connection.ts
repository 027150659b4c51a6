// The socket and the peer connection of a room: joins, resumes, joins anew, and keeps what there is until there is better.
// What a room is does not matter here: Room is told of every snapshot and event.
// SPDX-License-Identifier: Apache-2.0
import type { ConnectionOptions, RoomConnection } from './connection-options.js';
import { closeMessage, Connector, remedyForClose, remedyForClosing, type ConnectorOptions, type Remedy } from './connector.js';
import { Emitter } from './emitter.js';
import { codeOf, ConclaveError } from './errors.js';
import { watchNetwork } from './ice-restart.js';
import { MediaPath } from './media-path.js';
import { Peer, type Offer } from './peer.js';
import { CloseCode, type ClosingReason, type ServerEvent, type Snapshot } from './protocol.js';
import { Signaling, type SignalingOptions } from './signaling.js';
import { SocketDoubt } from './socket-doubt.js';
import { withTimeout } from './timeout.js';
import type { Timeline } from './timeline.js';

export interface ConnectionHost {
  /** What the server has to know to go on where we are. */
  seq(): number;
  /** Packets must arrive: of somebody who is on, or feedback for what we send. */
  isBusy(): boolean;
  /** A new participant, with a new peer: what was said to and by the server before is void. `load` follows. */
  adopt(peer: Peer): void;
  /** The room as it is now: after `adopt`, or (`resumed`) for the participant that lives on. */
  load(snapshot: Snapshot, resumed: boolean): void;
  handle(event: ServerEvent): void;
  /** DTLS is up. */
  mediaUp(peer: Peer): void;
  /** Requests may be made; with `repeatAll` the server knows nothing of earlier ones. */
  online(repeatAll: boolean): void;
  /** Requests have to wait. */
  offline(): void;
  /** It is over; `closed` follows. */
  stop(): void;
}

export interface ConnectionEvents {
  changed: [];
  state: [RoomConnection];
  retrying: [ConclaveError];
  reconnected: [{ rejoined: boolean }];
  closed: [{ reason: string; message: string }];
  error: [ConclaveError];
}

/** How long the first socket of a resume may take to open, in ms, and some round trips. */
const QUICK_OPEN_MS = 500;

export class Connection extends Emitter<ConnectionEvents> {
  /** Of this page, for statistics. */
  readonly counts = { joins: 0, resumes: 0, setRemoteDescriptionCalls: 0 };
  #state: RoomConnection = 'new';
  #signaling: Signaling | null = null;
  #peer: Peer | null = null;
  #path: MediaPath | null = null;
  #connector: Connector | null = null;
  readonly #doubt = new SocketDoubt();
  #mediaLost = false;
  /** We rejoin because media seem to be dead: called off when they come back. */
  #suspicion = false;
  /** A join is under way that will replace what there is: whatever is said about that is being remedied. */
  #replacing = false;
  #lastRtt: number | null = null;
  #resumeToken = '';
  #signald: string | null = null;
  #node: string | null = null;
  #closeInfo: { reason: string; message: string } | null = null;
  #unwatchNetwork: () => void = () => undefined;

  constructor(
    private readonly options: ConnectionOptions,
    private readonly host: ConnectionHost,
    private readonly timeline: Timeline,
  ) {
    super();
  }

  // ---- what is --------------------------------------------------------------------------------------------------

  get state(): RoomConnection {
    return this.#state;
  }
  /** `reconnecting` because nothing arrives from the media node, whether or not the signaling works. */
  get mediaLost(): boolean {
    return this.#mediaLost;
  }
  get peer(): Peer | null {
    return this.#peer;
  }
  get signald(): string | null {
    return this.#signald;
  }
  get node(): string | null {
    return this.#node;
  }
  /** Last measured round trip of a ping over the socket, in ms. */
  get rtt(): number | null {
    return this.#signaling?.rtt ?? null;
  }
  get closeInfo(): { reason: string; message: string } | null {
    return this.#closeInfo;
  }

  request: Signaling['request'] = (op, fields) => {
    if (this.#state === 'closed') return Promise.reject(new ConclaveError('closed', 'The room is closed.'));
    if (!this.#signaling) return Promise.reject(new ConclaveError('disconnected', 'The connection to the server is broken.'));
    return this.#signaling.request(op, fields);
  };

  // ---- coming and going -----------------------------------------------------------------------------------------

  /** Resolves when the server has answered and media is being connected. Once. */
  async open(): Promise<void> {
    this.#setState('connecting');
    this.#unwatchNetwork = watchNetwork(() => this.#networkChanged());
    try {
      await this.#connect('rejoin', true, { giveUpMs: this.options.joinPatienceMs ?? 15_000 });
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /** Says goodbye, and waits a little until it is heard. */
  async leave(): Promise<void> {
    if (this.#state === 'closed') return;
    const signaling = this.#signaling;
    const bye = signaling?.isOpen ? signaling.request('leave', {}) : null;
    this.#signaling = null;
    this.#close('left', closeMessage('left'));
    await Promise.race([bye?.catch(() => undefined), new Promise((resolve) => setTimeout(resolve, 1000))]);
    signaling?.close(1000);
  }

  /** The page goes: there is no time to wait. */
  sayGoodbye(): void {
    if (this.#signaling?.isOpen) void this.#signaling.request('leave', {}).catch(() => undefined);
  }

  #close(reason: string, message: string): void {
    if (this.#state === 'closed') return;
    this.#closeInfo = { reason, message };
    this.#connector?.stop();
    this.#path?.stop();
    this.#unwatchNetwork();
    this.host.stop();
    this.#setState('closed');
    const signaling = this.#signaling;
    this.#signaling = null;
    signaling?.close();
    this.#peer?.close();
    this.emit('closed', { reason, message });
  }

  #fail(error: unknown): void {
    this.#close(codeOf(error), error instanceof Error ? error.message : String(error));
  }

  #setState(next: RoomConnection): void {
    if (this.#state === next || this.#state === 'closed') return;
    this.#state = next;
    this.emit('state', next);
    this.emit('changed');
  }

  // ---- the loop of attempts -------------------------------------------------------------------------------------

  async #connect(start: 'resume' | 'rejoin', immediately: boolean, extra: ConnectorOptions = {}): Promise<'resumed' | 'joined' | 'kept'> {
    const connector = new Connector(
      { resume: () => this.#resume(), join: (refresh) => this.#joinOnce(refresh) },
      {
        onRetry: (error) => this.emit('retrying', error instanceof ConclaveError ? error : new ConclaveError('internal', String(error))),
        ...extra,
        ...this.options.connector,
      },
    );
    this.#connector = connector;
    try {
      return await connector.run(start, immediately);
    } finally {
      if (this.#connector === connector) this.#connector = null;
    }
  }

  /** The connection is gone or no good: get it back. */
  #recover(remedy: Remedy): void {
    if (this.#state === 'closed') return;
    if (remedy.do === 'close') {
      this.#close(remedy.reason, closeMessage(remedy.reason));
      return;
    }
    // Media alone: the socket goes on being of use until a new one has joined.
    if (!this.#signaling?.isOpen || remedy.do === 'resume') this.host.offline();
    if (this.#connector) {
      // Joining or resuming already: it notices a broken socket by itself.
      if (remedy.do === 'rejoin') this.#connector.demandRejoin(this.#replacing);
      return;
    }
    this.#setState('reconnecting');
    this.#connect(remedy.do, remedy.do === 'rejoin' || remedy.immediately).then(
      (how) => {
        if (how === 'resumed') this.#path?.resumed();
        // A socket alone is not the call: that is back with media.
        if (how !== 'kept') void (this.#mediaLost || this.emit('reconnected', { rejoined: how === 'joined' }));
        else if (this.#signaling) this.#mediaBack();
        // The socket broke while we still tried to join, and media are back: keep them.
        else this.#recover({ do: 'resume', immediately: true });
      },
      (error: unknown) => this.#fail(error),
    );
  }

  // ---- one attempt ----------------------------------------------------------------------------------------------

  /** Make before break: what there is of a socket and a peer connection stays until the new join is answered. */
  async #joinOnce(refreshToken: boolean): Promise<void> {
    const { room, name, token } = this.options;
    this.#replacing = true;
    // All at once: a join costs the slowest of them and one round trip.
    const signalingReady = this.#openSignaling();
    const tokenReady = Promise.resolve(typeof token === 'string' ? token : token({ refresh: refreshToken }));
    const peerReady = this.#newPeer();
    try {
      const [signaling, { peer, offer }, jwt] = await Promise.all([signalingReady, peerReady, tokenReady]);
      const joined = await signaling.request('join', { token: jwt, room, ...(name ? { name } : {}), ...offer });
      this.timeline.mark('joined');
      if (this.#state === 'closed') {
        void signaling.request('leave', {}).catch(() => undefined);
        throw new ConclaveError('closed', 'The room was closed.');
      }
      this.#replacing = false;
      this.#dropSignaling(true);
      this.#adoptPeer(peer);
      this.#adoptSession(signaling, joined, false);
      this.counts.joins += 1;
      this.counts.setRemoteDescriptionCalls += 1;
      await peer.accept(joined.sdp);
      if (!signaling.isOpen) throw new ConclaveError('disconnected', 'The connection to the server broke.');
      this.#online(true);
    } catch (error) {
      // Whichever of the three came through must not be left behind; nor may who joined after all, when we had stopped waiting.
      const tooLate = codeOf(error) === 'timeout';
      void signalingReady.then((s) => s !== this.#signaling && this.#discard(s, tooLate), () => undefined);
      void peerReady.then((p) => p.peer !== this.#peer && p.peer.close(), () => undefined);
      void tokenReady.catch(() => undefined);
      if (codeOf(error) === 'room-full' && this.#signaling) {
        // Our own old seat may be the one that is missing.
        this.#dropSignaling(true);
        throw new ConclaveError('unavailable', 'The room is full.', 250);
      }
      throw error;
    } finally {
      this.#replacing = false;
    }
  }

  async #resume(): Promise<void> {
    const signaling = await this.#reopenSignaling();
    try {
      const resumed = await signaling.request('resume', { resume: this.#resumeToken, seq: this.host.seq() });
      if (this.#state === 'closed') throw new ConclaveError('closed', 'The room was closed.');
      this.#dropSignaling(false);
      this.counts.resumes += 1;
      // One word for both: else people were told that the connection is back, then lost, then back.
      if (this.#path?.isSilent) this.#mediaLost = true;
      this.#adoptSession(signaling, resumed, true);
      this.#online(true);
    } catch (error) {
      if (signaling !== this.#signaling) signaling.close();
      throw error;
    }
  }

  async #openSignaling(options: SignalingOptions = {}): Promise<Signaling> {
    const signaling = await Signaling.open(this.options.url, { ...this.options.signaling, ...options });
    this.timeline.mark('ws');
    return signaling;
  }

  /** What TCP sends first is repeated after a second only; lost in a network that just changes, it is better sent anew. */
  async #reopenSignaling(): Promise<Signaling> {
    try {
      return await this.#openSignaling({ openTimeoutMs: QUICK_OPEN_MS + 4 * (this.#lastRtt ?? 0) });
    } catch (error) {
      if (codeOf(error) !== 'timeout') throw error;
      return this.#openSignaling();
    }
  }

  async #newPeer(): Promise<{ peer: Peer; offer: Offer }> {
    const peer = new Peer(this.options.peer);
    const offer = await peer.offer(withTimeout(this.options.iceServers?.(), 1000));
    this.timeline.mark('offer');
    return { peer, offer };
  }

  /** From here on this socket is ours; the one before is forgotten, whatever it still says. */
  #adoptSession(signaling: Signaling, snapshot: Snapshot, resumed: boolean): void {
    this.#signaling = signaling;
    this.#resumeToken = snapshot.resume;
    this.#signald = snapshot.signald ?? null;
    this.#node = snapshot.node ?? this.#node;
    signaling.on('event', (event) => signaling === this.#signaling && this.#handle(event));
    signaling.on('rtt', (rtt) => (this.#lastRtt = rtt));
    signaling.on('error', (error) => signaling === this.#signaling && this.emit('error', error));
    signaling.on('closed', ({ code }) => {
      if (signaling !== this.#signaling) return;
      this.#signaling = null;
      // While draining, the old socket ends because we resume elsewhere ourselves.
      if (this.#connector && code === CloseCode.resumedElsewhere) return;
      this.#recover(remedyForClose(code));
    });
    this.host.load(snapshot, resumed);
    // The socket may have broken between the reply and now.
    if (!signaling.isOpen) throw new ConclaveError('disconnected', 'The connection to the server broke.');
  }

  #dropSignaling(leave: boolean): void {
    const signaling = this.#signaling;
    this.#signaling = null;
    if (signaling) this.#discard(signaling, leave);
  }

  #discard(signaling: Signaling, leave: boolean): void {
    if (leave && signaling.isOpen) void signaling.request('leave', {}).catch(() => undefined);
    // Give the message a chance to leave before the close frame.
    signaling.close();
  }

  #adoptPeer(peer: Peer): void {
    this.#peer?.close();
    this.#path?.stop();
    this.#peer = peer;
    const path = (this.#path = this.#newPath(peer));
    this.#mediaLost = false;
    this.#suspicion = false;
    peer.on('ice', (state) => {
      if (peer === this.#peer) path.noteIce(state);
      if (state === 'connected' || state === 'completed') this.timeline.mark('ice');
    });
    peer.on('state', (state) => {
      if (peer !== this.#peer) return;
      if (state === 'connected') {
        this.timeline.mark('dtls');
        this.host.mediaUp(peer);
      }
      path.noteState(state);
      this.emit('changed');
    });
    this.host.adopt(peer);
  }

  #online(repeatAll: boolean): void {
    this.host.online(repeatAll);
    if (!this.#mediaLost) this.#setState('connected');
  }

  // ---- what happens ---------------------------------------------------------------------------------------------

  #handle(event: ServerEvent): void {
    if (event.op === 'closing') {
      this.#closing(event.reason, event.message);
    } else if (event.op === 'media') {
      if (event.state === 'failed') this.#mediaFailed();
    } else {
      this.host.handle(event);
    }
  }

  #closing(reason: ClosingReason, message: string | undefined): void {
    const signaling = this.#signaling;
    const remedy = remedyForClosing(reason);
    if (remedy.do === 'close') {
      this.#close(remedy.reason, message || closeMessage(remedy.reason));
      return;
    }
    // Draining: the old socket stands until the new one has taken over. Otherwise it is of no more use.
    if (reason !== 'draining') {
      this.#signaling = null;
      signaling?.close();
    }
    this.#recover(remedy);
  }

  #networkChanged(): void {
    this.#connector?.wake();
    this.#path?.networkChanged();
    this.#doubtSocket(true);
  }

  #doubtSocket(isOther: boolean): void {
    const signaling = this.#signaling;
    if (!signaling) return;
    const isCondemned = () => signaling === this.#signaling && !this.#connector && (isOther || !this.#path?.isAlive);
    void this.#doubt.judge(signaling, isOther, isCondemned);
  }

  // ---- media ----------------------------------------------------------------------------------------------------

  #newPath(peer: Peer): MediaPath {
    const work = {
      isPossible: () => !this.#connector && !!this.#signaling?.isOpen,
      isBusy: () => this.host.isBusy(),
      isLost: () => this.#mediaLost,
      exchange: (of: Peer, anew: boolean, attempt: number) => this.#exchange(of, anew, attempt),
      doubtSocket: () => this.#doubtSocket(false),
      signalingAnswers: async () => (await withTimeout(this.request('ping', {}), 2000)) !== undefined,
      lost: () => this.#noteMediaLost(),
      back: () => this.#mediaArrives(),
      failed: () => this.#mediaFailed(),
      suspected: () => {
        this.#suspicion = true;
        this.#recover({ do: 'rejoin' });
      },
    };
    return new MediaPath(peer, work, this.options);
  }

  /** Other TURN servers only when those we have did not help: asking for them takes time. */
  async #exchange(peer: Peer, anew: boolean, attempt: number): Promise<string> {
    const servers = attempt > 0 ? withTimeout(this.options.iceServers?.(), 1000) : undefined;
    const { sdp } = await this.request('offer', { ...(await peer.restartOffer(anew, servers)) });
    if (peer === this.#peer) this.counts.setRemoteDescriptionCalls += 1;
    return sdp;
  }

  #noteMediaLost(): void {
    if (this.#mediaLost && this.#state !== 'connected') return;
    this.#mediaLost = true;
    if (this.#state === 'connected') this.#setState('reconnecting');
    else this.emit('changed');
  }

  /** Said by the browser or the server: no doubt, and no way back. */
  #mediaFailed(): void {
    this.#suspicion = false;
    this.#noteMediaLost();
    this.#recover({ do: 'rejoin' });
  }

  #mediaArrives(): void {
    if (!this.#connector) {
      if (this.#signaling) this.#mediaBack();
    } else if (this.#suspicion) this.#connector.callOff();
  }

  #mediaBack(): void {
    this.#mediaLost = false;
    this.host.online(false);
    this.#setState('connected');
    this.emit('reconnected', { rejoined: false });
  }
}
