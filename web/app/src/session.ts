// The one client of this page and who is signed in.
// SPDX-License-Identifier: Apache-2.0
import { ConclaveClient, type LocalMedia, type Room, type VideoCodec } from '@conclave/sdk';
import { useSyncExternalStore } from 'react';
import { GuestKeeper } from './guest-keeper';
import { readPrefs, writePrefs } from './prefs';

export const client = new ConclaveClient();
export const auth = client.auth;

const keeper = new GuestKeeper(sessionStorage, window);
auth.on('changed', () => {
  const { guestIdentity, refreshToken } = auth;
  if (guestIdentity && refreshToken) keeper.keep({ name: guestIdentity.name, refreshToken });
  else if (auth.user) keeper.keep(null);
});

let version = 0;
const subscribe = (listener: () => void) =>
  auth.on('changed', () => {
    version += 1;
    listener();
  });

/** Re-renders when the identity changes. */
export function useAuth() {
  useSyncExternalStore(subscribe, () => version);
  return auth;
}

let restoring: Promise<void> | null = null;

/** Takes up the session of an account after a reload; asks the server only if there was one. */
export function restoreSession(): Promise<void> {
  restoring ??= (async () => {
    if (!readPrefs().account || auth.signedIn) return;
    if (!(await auth.restore())) writePrefs({ account: false });
  })();
  return restoring;
}

export async function signIn(username: string, password: string): Promise<void> {
  await auth.login(username, password);
  writePrefs({ account: true, name: auth.displayName ?? username });
}

export async function signUp(username: string, password: string, displayName: string): Promise<void> {
  await auth.register(username, password, displayName || undefined);
  await signIn(username, password);
}

export async function signOut(): Promise<void> {
  writePrefs({ account: false });
  await auth.logout().catch(() => undefined);
}

let identifying: { name: string; done: Promise<void> } | null = null;

/** An account keeps its identity; everybody else is the guest of this tab if the name is the same, else a new one. */
export function identify(name: string): Promise<void> {
  if (identifying?.name === name) return identifying.done;
  const mine = { name, done: identifyNow(name).finally(() => identifying === mine && (identifying = null)) };
  identifying = mine;
  return mine.done;
}

async function identifyNow(name: string): Promise<void> {
  await restoreSession();
  if (auth.user || (auth.guestIdentity?.name === name && auth.signedIn)) return;
  const { kept } = keeper;
  if (kept?.name === name && (await auth.restore(kept.refreshToken))) return;
  keeper.keep(null);
  await auth.guest(name);
}

/** A room for that name. Who one is gets settled while the socket opens and the offer is made. */
export function makeRoom(room: string, name: string, media: LocalMedia, codec: VideoCodec | null): Room {
  return client.room(room, {
    name,
    media,
    ...(codec ? { peer: { cameraCodec: codec, screenCodec: codec } } : {}),
    // There is a Cancel button: as long as the person waits.
    joinPatienceMs: 300_000,
    token: async ({ refresh }) => {
      await identify(name);
      return auth.token({ refresh });
    },
    iceServers: async () => {
      await identify(name);
      return (await auth.iceServers()).ice_servers;
    },
  });
}
