// The front door of the SDK: one server, one identity, any number of rooms.
// SPDX-License-Identifier: Apache-2.0
import { AuthClient, type AuthOptions } from './auth.js';
import { want } from './arguments.js';
import { Room, type RoomOptions } from './room.js';

export interface ClientOptions {
  /** The server, such as https://meet.example.org. Default: the page's origin. */
  url?: string;
  auth?: Omit<AuthOptions, 'baseUrl'>;
}

export type JoinOptions = Omit<RoomOptions, 'url' | 'token' | 'room'> & {
  /** Default: the identity of `client.auth`. */
  token?: RoomOptions['token'];
  /** performance.now() of the click, for the join timeline. */
  clickedAt?: number;
};

export class ConclaveClient {
  readonly auth: AuthClient;
  readonly url: string;

  constructor(options: ClientOptions = {}) {
    want(options.url === undefined || /^https?:\/\/[^/]/.test(options.url), 'The url of a server is like https://meet.example.org.');
    this.url = (options.url ?? globalThis.location?.origin ?? '').replace(/\/$/, '');
    this.auth = new AuthClient({ ...options.auth, baseUrl: this.url });
  }

  /** A room that is not joined yet, so that listeners can be set first. */
  room(room: string, options: JoinOptions = {}): Room {
    const { clickedAt: _clickedAt, ...rest } = options;
    const own = options.token === undefined;
    return new Room({
      token: ({ refresh }) => this.auth.token({ refresh }),
      ...(own ? { iceServers: () => this.auth.iceServers().then((r) => r.ice_servers) } : {}),
      ...rest,
      room,
      url: `${this.url.replace(/^http/, 'ws')}/ws`,
    });
  }

  /** Joins and resolves with the connected room. */
  async join(room: string, options: JoinOptions = {}): Promise<Room> {
    const joined = this.room(room, options);
    await joined.join(options.clickedAt);
    return joined;
  }
}
