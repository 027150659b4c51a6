// The HTTP API of authd (docs/api.md): guests, accounts by SRP-6a, tokens that renew themselves, TURN credentials.
// SPDX-License-Identifier: Apache-2.0
import { want, wantText } from './arguments.js';
import { fromBase64url, fromBigInt, toBase64url, utf8, type Bytes } from './bytes.js';
import { Emitter } from './emitter.js';
import { ConclaveError, isRetryable } from './errors.js';
import { GROUPS, privateKey, sameProof, SrpClient, verifierOf } from './srp.js';

export interface User {
  id: string;
  username: string;
  display_name: string;
  roles: string[];
}

export interface Guest {
  id: string;
  name: string;
}

export interface Kdf {
  name: 'argon2id';
  memory_kib: number;
  iterations: number;
  parallelism: number;
}

interface Tokens {
  access_token: string;
  /** seconds */
  expires_in: number;
  refresh_token?: string;
}

export interface IceServers {
  ice_servers: RTCIceServer[];
  expires_in: number;
}

/** What a password is stretched with; the server's defaults. */
export const DEFAULT_KDF: Kdf = { name: 'argon2id', memory_kib: 19456, iterations: 2, parallelism: 1 };
/** Below these we do not answer: a server could otherwise make guessing cheap. */
const MINIMUM_KDF = { memory_kib: 8192, iterations: 1, parallelism: 1 };
const MAXIMUM_KDF = { memory_kib: 1_048_576, iterations: 64, parallelism: 16 };
const RENEW_BEFORE_MS = 60_000;
const COOKIE_LOCK = 'conclave-refresh';

export type Stretch = (password: Bytes, salt: Bytes, kdf: Kdf) => Promise<Bytes>;

/** Argon2id to 32 bytes. The WebAssembly is loaded when first needed. */
export const argon2idStretch: Stretch = async (password, salt, kdf) => {
  const { argon2id } = await import('hash-wasm');
  const out = await argon2id({
    password,
    salt,
    parallelism: kdf.parallelism,
    iterations: kdf.iterations,
    memorySize: kdf.memory_kib,
    hashLength: 32,
    outputType: 'binary',
  });
  return new Uint8Array(out);
};

export interface AuthOptions {
  /** Where authd is, such as https://meet.example.org. Default: the page's origin. */
  baseUrl?: string;
  fetch?: typeof fetch;
  stretch?: Stretch;
  now?: () => number;
}

export interface AuthEvents {
  /** Signed in, renewed, signed out. */
  changed: [];
  /** The session ended on the server: sign in again. */
  expired: [];
}

/**
 * One identity. Users of a browser keep their session in an HttpOnly cookie, so `restore()` works after a reload and no
 * script sees it. Guests keep theirs in memory: each tab is its own guest. Who wants a guest to outlive a reload stores
 * `refreshToken` whenever `changed` fires, and gives it to `restore`. So do users of a page of another origin than the server's,
 * which gets no cookie.
 */
export class AuthClient extends Emitter<AuthEvents> {
  readonly #base: string;
  /** Elsewhere no cookie of the server is kept, nor would it be sent. */
  readonly #isOwnOrigin: boolean;
  readonly #fetch: typeof fetch;
  readonly #stretch: Stretch;
  readonly #now: () => number;
  #access: { token: string; expires: number } | null = null;
  #refreshToken: string | null = null;
  #viaCookie = false;
  #renewing: Promise<string> | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #generation = 0;
  user: User | null = null;
  guestIdentity: Guest | null = null;

  constructor(options: AuthOptions = {}) {
    super();
    this.#base = (options.baseUrl ?? globalThis.location?.origin ?? '').replace(/\/$/, '');
    this.#isOwnOrigin = !globalThis.location || originOf(this.#base) === globalThis.location.origin;
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
    this.#stretch = options.stretch ?? argon2idStretch;
    this.#now = options.now ?? (() => Date.now());
  }

  get signedIn(): boolean {
    return this.#access !== null;
  }

  /** The name to show: of the account or the guest. */
  get displayName(): string | null {
    return this.user?.display_name ?? this.guestIdentity?.name ?? null;
  }

  async guest(name: string, options: { cookie?: boolean } = {}): Promise<Guest> {
    wantText(name, 'A name');
    this.#wantOwnOrigin(options.cookie);
    const reply = await this.#post<Tokens & { guest: Guest }>('/v1/guests', { name, ...(options.cookie ? { cookie: true } : {}) });
    this.#adopt(reply, options.cookie ?? false);
    this.user = null;
    this.guestIdentity = reply.guest;
    this.emit('changed');
    return reply.guest;
  }

  /** The password leaves this function only as an SRP verifier. Does not sign in. */
  async register(username: string, password: string, displayName?: string): Promise<User> {
    wantText(username, 'A user name');
    wantText(password, 'A password');
    const salt = crypto.getRandomValues(new Uint8Array(16));
    const kdf = DEFAULT_KDF;
    const group = GROUPS['3072']!;
    const x = await privateKey(salt, identityOf(username), await this.#stretch(passwordBytes(password), salt, kdf));
    const verifier = fromBigInt(verifierOf(group, x), group.size);
    const { user } = await this.#post<{ user: User }>('/v1/register', {
      username: username.toLowerCase(),
      ...(displayName ? { display_name: displayName } : {}),
      salt: toBase64url(salt),
      verifier: toBase64url(verifier),
      group: '3072',
      kdf,
    });
    return user;
  }

  /** SRP-6a: neither side learns what the other must not know. Throws `bad-credentials`, or `server-proof` for a false server. */
  async login(username: string, password: string, options: { cookie?: boolean } = {}): Promise<User> {
    wantText(username, 'A user name');
    wantText(password, 'A password');
    this.#wantOwnOrigin(options.cookie);
    const cookie = options.cookie ?? this.#isOwnOrigin;
    const srp = new SrpClient(GROUPS['3072']!);
    const start = await this.#post<{ login: string; salt: string; B: string; group: string; kdf: Kdf }>('/v1/login/start', {
      username: username.toLowerCase(),
      A: toBase64url(srp.publicKey),
    });
    if (start.group !== '3072') throw new ConclaveError('bad-parameters', `The server asked for the unknown group ${start.group}.`);
    checkKdf(start.kdf);
    const salt = fromBase64url(start.salt);
    const stretched = await this.#stretch(passwordBytes(password), salt, start.kdf);
    const { M1, M2 } = await srp.prove({ identity: identityOf(username), password: stretched, salt, B: fromBase64url(start.B) });
    const reply = await this.#post<Tokens & { M2: string; user: User }>('/v1/login/finish', {
      login: start.login,
      M1: toBase64url(M1),
      ...(cookie ? { cookie: true } : {}),
    });
    if (!sameProof(fromBase64url(reply.M2), M2)) throw new ConclaveError('server-proof', 'The server could not prove that it knows your account.');
    this.#adopt(reply, cookie);
    this.guestIdentity = null;
    this.user = reply.user;
    this.emit('changed');
    return reply.user;
  }

  /** Good for one more renewal, which replaces it. Null for sessions by cookie, which no script may see. */
  get refreshToken(): string | null {
    return this.#refreshToken;
  }

  /**
   * After a reload: takes up the session of that refresh token, else of the cookie, if there is one. False when the server
   * refuses it, and at once without a token on a page of another origin, where there is no cookie; throws when it cannot be asked now (`network`, `unavailable`, …) and a token was given, which stays good.
   */
  async restore(refreshToken?: string): Promise<boolean> {
    if (refreshToken === undefined && !this.#isOwnOrigin) {
      this.#forget();
      return false;
    }
    this.#generation += 1;
    this.#viaCookie = refreshToken === undefined;
    this.#refreshToken = refreshToken ?? null;
    try {
      await this.#renew();
      const me = await this.me();
      this.user = me.user ?? null;
      this.guestIdentity = me.guest ?? null;
      this.emit('changed');
      return true;
    } catch (error) {
      const later = refreshToken !== undefined && isRetryable(error);
      this.#forget();
      if (later) throw error;
      return false;
    }
  }

  async me(): Promise<{ user?: User; guest?: Guest }> {
    return this.#get('/v1/me');
  }

  async logout(): Promise<void> {
    const body = this.#refreshToken ? { refresh_token: this.#refreshToken } : {};
    this.#forget();
    this.emit('changed');
    await this.#send('POST', '/v1/logout', body, null);
  }

  /** A token that is good for another minute at least. */
  async token(options: { refresh?: boolean } = {}): Promise<string> {
    const fresh = this.#access && this.#access.expires - this.#now() > RENEW_BEFORE_MS / 2;
    if (fresh && !options.refresh) return this.#access!.token;
    return this.#renew();
  }

  async iceServers(): Promise<IceServers> {
    return this.#get('/v1/ice-servers');
  }

  /** Stops renewing. */
  dispose(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #adopt(tokens: Tokens, viaCookie: boolean): void {
    this.#generation += 1;
    this.#viaCookie = viaCookie;
    this.#refreshToken = viaCookie ? null : (tokens.refresh_token ?? null);
    this.#keep(tokens);
  }

  #keep(tokens: Tokens): void {
    this.#access = { token: tokens.access_token, expires: this.#now() + tokens.expires_in * 1000 };
    if (tokens.refresh_token && !this.#viaCookie) this.#refreshToken = tokens.refresh_token;
    if (this.#timer) clearTimeout(this.#timer);
    // Short tokens are renewed at half time.
    const wait = Math.max(tokens.expires_in * 500, tokens.expires_in * 1000 - RENEW_BEFORE_MS);
    this.#timer = setTimeout(() => void this.#renew().catch(() => undefined), Math.min(wait, 2 ** 31 - 1));
  }

  #forget(): void {
    this.#generation += 1;
    this.#access = null;
    this.#refreshToken = null;
    this.#viaCookie = false;
    this.user = null;
    this.guestIdentity = null;
    this.dispose();
  }

  /** One at a time, over all tabs too: a refresh token is good once, and using it twice ends the session. */
  #renew(): Promise<string> {
    this.#renewing ??= this.#renewNow().finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  async #renewNow(): Promise<string> {
    const generation = this.#generation;
    if (!this.#refreshToken && !this.#viaCookie) throw new ConclaveError('refresh-expired', 'Please sign in again.');
    const body = this.#refreshToken ? { refresh_token: this.#refreshToken } : {};
    const work = () => this.#post<Tokens>('/v1/token', body);
    const locks = this.#viaCookie ? globalThis.navigator?.locks : undefined;
    try {
      const tokens = await (locks ? locks.request(COOKIE_LOCK, work) : work());
      if (generation !== this.#generation) throw new ConclaveError('refresh-expired', 'The identity changed meanwhile.');
      this.#keep(tokens);
      this.emit('changed');
      return tokens.access_token;
    } catch (error) {
      const code = error instanceof ConclaveError ? error.code : '';
      if (generation === this.#generation && (code === 'refresh-expired' || code === 'refresh-reused')) {
        this.#forget();
        this.emit('expired');
        this.emit('changed');
      }
      throw error;
    }
  }

  #wantOwnOrigin(cookie: boolean | undefined): void {
    want(!cookie || this.#isOwnOrigin, 'A session by cookie is for pages of the server’s own origin: keep `refreshToken` instead.');
  }

  async #get<T>(path: string): Promise<T> {
    return this.#send<T>('GET', path, undefined, await this.token());
  }

  #post<T>(path: string, body: unknown): Promise<T> {
    return this.#send<T>('POST', path, body, null);
  }

  async #send<T>(method: string, path: string, body: unknown, bearer: string | null): Promise<T> {
    let response: Response;
    try {
      response = await this.#fetch(this.#base + path, {
        method,
        credentials: 'same-origin',
        headers: {
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...(bearer ? { Authorization: `Bearer ${bearer}` } : {}),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch {
      throw new ConclaveError('network', 'The server cannot be reached. Check your connection and try again.');
    }
    if (response.status === 204) return undefined as T;
    const json = (await response.json().catch(() => null)) as (T & { error?: string; detail?: string; title?: string }) | null;
    if (!response.ok || json === null) throw problemOf(response, json);
    return json;
  }
}

/** '' of what is no URL, which the first request says better. */
function originOf(url: string): string {
  try {
    return new URL(url).origin;
  } catch {
    return '';
  }
}

function problemOf(response: Response, json: { error?: string; detail?: string; title?: string } | null): ConclaveError {
  const retry = Number(response.headers.get('Retry-After'));
  const code = json?.error ?? (response.status >= 500 ? 'unavailable' : 'internal');
  const message = json?.detail ?? json?.title ?? `The server answered with status ${response.status}.`;
  return new ConclaveError(code, message, retry > 0 ? retry * 1000 : undefined);
}

export const identityOf = (username: string): Bytes => utf8(username.toLowerCase());
export const passwordBytes = (password: string): Bytes => utf8(password.normalize('NFKC'));

function checkKdf(kdf: Kdf): void {
  const keys = ['memory_kib', 'iterations', 'parallelism'] as const;
  const fine = kdf?.name === 'argon2id' && keys.every((k) => Number.isInteger(kdf[k]) && kdf[k] >= MINIMUM_KDF[k] && kdf[k] <= MAXIMUM_KDF[k]);
  if (!fine) throw new ConclaveError('bad-parameters', 'The server asked for password parameters that we do not accept.');
}
