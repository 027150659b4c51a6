// SPDX-License-Identifier: Apache-2.0
import { createRoot } from 'react-dom/client';
import { App } from './App';
import './styles/tokens.css';
import './styles/base.css';
import './styles/pages.css';
import './styles/room.css';

createRoot(document.getElementById('root')!).render(<App />);
