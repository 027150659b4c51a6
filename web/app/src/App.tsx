// Chooses the page.
// SPDX-License-Identifier: Apache-2.0
import { useEffect } from 'react';
import { Home } from './pages/Home';
import { RoomRoute } from './pages/RoomRoute';
import { route } from './router';
import { restoreSession } from './session';
import { useStore } from './store';
import { Toasts } from './ui/bits';

export function App() {
  const now = useStore(route);
  useEffect(() => void restoreSession(), []);
  useEffect(() => {
    document.title = now.page === 'room' ? `${now.room} · Conclave` : 'Conclave';
  }, [now]);
  return (
    <>
      {now.page === 'room' ? <RoomRoute key={now.room} route={now} /> : <Home />}
      <Toasts />
    </>
  );
}
