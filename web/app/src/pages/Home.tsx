// The front page: pick a room; as a guest, or with an account.
// SPDX-License-Identifier: Apache-2.0
import { useId, useState, type FormEvent } from 'react';
import { sentence } from '../messages';
import { readPrefs, writePrefs } from '../prefs';
import { navigate, roomName, suggestRoom } from '../router';
import { signIn, signOut, signUp, useAuth } from '../session';
import { Avatar, Page } from '../ui/bits';
import { CheckIcon } from '../ui/icons';

type Tab = 'guest' | 'in' | 'up';
const TABS: { id: Tab; label: string }[] = [
  { id: 'guest', label: 'Guest' },
  { id: 'in', label: 'Sign in' },
  { id: 'up', label: 'Create account' },
];

export function Home() {
  const auth = useAuth();
  const [tab, setTab] = useState<Tab>('guest');
  return (
    <Page foot="Self-hosted. Your meetings run on this server and nowhere else.">
      <div className="home">
        <section className="hero">
          <h1>Meetings behind a locked door.</h1>
          <p>Open a room, share its link, and talk. No installation, no tracking, and your password never leaves your device.</p>
          <ul>
            <li>
              <CheckIcon /> Join with a name, or with an account
            </li>
            <li>
              <CheckIcon /> Video that adapts to every screen and line
            </li>
            <li>
              <CheckIcon /> Stays up when a server goes down
            </li>
          </ul>
        </section>
        <section className="card home-card" aria-label="Join a room">
          {auth.user ? (
            <>
              <div className="account">
                <span className="row">
                  <Avatar name={auth.user.display_name} size={36} />
                  <span>
                    <strong data-testid="account-name">{auth.user.display_name}</strong>
                    <br />
                    <span className="hint">{auth.user.username}</span>
                  </span>
                </span>
                <button type="button" className="button quiet small" onClick={() => void signOut()} data-testid="sign-out">
                  Sign out
                </button>
              </div>
              <GuestForm withName={false} />
            </>
          ) : (
            <>
              <div className="tabs" role="tablist" aria-label="How to join">
                {TABS.map((t) => (
                  <button key={t.id} id={`tab-${t.id}`} type="button" role="tab" className="tab" aria-selected={tab === t.id} aria-controls="home-form" onClick={() => setTab(t.id)} data-testid={`tab-${t.id}`}>
                    {t.label}
                  </button>
                ))}
              </div>
              <div id="home-form" role="tabpanel" aria-labelledby={`tab-${tab}`}>
                {tab === 'guest' ? <GuestForm withName /> : <AccountForm key={tab} create={tab === 'up'} />}
              </div>
            </>
          )}
        </section>
      </div>
    </Page>
  );
}

function GuestForm({ withName }: { withName: boolean }) {
  const [name, setName] = useState(readPrefs().name ?? '');
  const [suggestion] = useState(() => suggestRoom());
  const [room, setRoom] = useState('');
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (withName) writePrefs({ name: name.trim() });
    navigate(`/r/${roomName(room) || suggestion}`);
  };
  const hint = useId();
  return (
    <form className="stack" onSubmit={submit}>
      {withName ? (
        <label className="field">
          <span>Your name</span>
          <input className="input" value={name} onChange={(e) => setName(e.target.value)} required maxLength={64} autoComplete="name" data-testid="home-name" />
        </label>
      ) : null}
      <label className="field">
        <span>Room</span>
        <input
          className="input"
          value={room}
          onChange={(e) => setRoom(e.target.value)}
          placeholder={suggestion}
          maxLength={64}
          autoCapitalize="none"
          autoComplete="off"
          spellCheck={false}
          aria-describedby={hint}
          data-testid="home-room"
        />
      </label>
      <p className="hint" id={hint}>
        Leave it empty to open a new room with the name shown.
      </p>
      <button className="button primary block" type="submit" data-testid="home-continue">
        Continue
      </button>
    </form>
  );
}

function AccountForm({ create }: { create: boolean }) {
  const [username, setUsername] = useState('');
  const [displayName, setDisplayName] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const submit = async (e: FormEvent) => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    // Let the button show that something happens: stretching the password takes a moment.
    await new Promise((resolve) => setTimeout(resolve, 30));
    try {
      if (create) await signUp(username.trim(), password, displayName.trim());
      else await signIn(username.trim(), password);
    } catch (cause) {
      setError(sentence(cause));
      setBusy(false);
    }
  };
  return (
    <form className="stack" onSubmit={(e) => void submit(e)}>
      <label className="field">
        <span>User name</span>
        <input className="input" value={username} onChange={(e) => setUsername(e.target.value)} required maxLength={64} autoCapitalize="none" autoComplete="username" spellCheck={false} data-testid="username" />
      </label>
      {create ? (
        <label className="field">
          <span>Name others see</span>
          <input className="input" value={displayName} onChange={(e) => setDisplayName(e.target.value)} maxLength={64} autoComplete="name" data-testid="display-name" />
        </label>
      ) : null}
      <label className="field">
        <span>Password</span>
        <input
          className="input"
          type="password"
          value={password}
          onChange={(e) => setPassword(e.target.value)}
          required
          minLength={create ? 8 : 1}
          maxLength={256}
          autoComplete={create ? 'new-password' : 'current-password'}
          data-testid="password"
        />
      </label>
      {create ? <p className="hint">At least 8 characters. The server never sees it.</p> : null}
      {error ? (
        <p className="form-error" role="alert" data-testid="form-error">
          {error}
        </p>
      ) : null}
      <button className="button primary block" type="submit" disabled={busy} data-testid="account-submit">
        {busy ? <span className="spinner" aria-hidden="true" /> : null}
        {create ? 'Create account' : 'Sign in'}
      </button>
    </form>
  );
}
