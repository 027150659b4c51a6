// Lets a guest survive a reload: the refresh token of this tab's guest. While the page lives only memory has it; it is in
// sessionStorage from `pagehide` to the next load, so that a duplicated tab does not copy it (using it twice ends the session).
// SPDX-License-Identifier: Apache-2.0

export interface KeptGuest {
  name: string;
  refreshToken: string;
}

const KEY = 'conclave-guest';

export class GuestKeeper {
  #kept: KeptGuest | null = null;

  constructor(
    private readonly storage: Storage,
    page: Pick<Window, 'addEventListener'>,
  ) {
    this.#take();
    page.addEventListener('pagehide', () => this.#put());
    page.addEventListener('pageshow', () => this.#take());
  }

  get kept(): KeptGuest | null {
    return this.#kept;
  }

  keep(guest: KeptGuest | null): void {
    this.#kept = guest;
  }

  #take(): void {
    try {
      const text = this.storage.getItem(KEY);
      if (text === null) return;
      this.storage.removeItem(KEY);
      const { name, refreshToken } = JSON.parse(text) as Partial<KeptGuest>;
      if (typeof name === 'string' && typeof refreshToken === 'string') this.#kept = { name, refreshToken };
    } catch {
      // private mode, or not ours: a new guest then
    }
  }

  #put(): void {
    try {
      if (this.#kept) this.storage.setItem(KEY, JSON.stringify(this.#kept));
    } catch {
      // private mode
    }
  }
}
