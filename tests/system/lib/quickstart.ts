// The quickstart of web/sdk/README.md, copied literally, as a page of its own. SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

import { cluster, ROOT } from './cluster.js';

const SDK = path.join(ROOT, 'web/sdk/dist');

/** The first snippet, with the cluster under test and this room; from TypeScript to what a browser runs. */
function script(room: string): string {
  const readme = readFileSync(path.join(ROOT, 'web/sdk/README.md'), 'utf8');
  const snippet = /```ts\n([\s\S]*?)\n```/.exec(readme)?.[1] ?? '';
  const filled = snippet.replace("'https://meet.example.org'", `'${cluster.url}'`).replace("'standup'", `'${room}'`);
  if (filled.split(cluster.url).length !== 2 || filled.split(room).length !== 2) throw new Error('the quickstart names no server or no room');
  const ts = createRequire(import.meta.url)('typescript') as typeof import('typescript');
  return ts.transpileModule(filled, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } }).outputText;
}

const page = `<!doctype html><meta charset="utf-8"><title>Quickstart</title>
<script type="importmap">{ "imports": { "@conclave/sdk": "./sdk/index.js" } }</script>
<script type="module" src="./quickstart.js"></script>`;

/** What is at `/`, `/quickstart.js` and `/sdk/…` of such a page, or null. */
export function quickstartFile(at: string, room: string): { contentType: string; body: string } | null {
  if (at === '/') return { contentType: 'text/html', body: page };
  if (at === '/quickstart.js') return { contentType: 'text/javascript', body: script(room) };
  const file = path.join(SDK, at.replace(/^\/sdk\//, ''));
  if (!at.startsWith('/sdk/') || !file.startsWith(SDK) || !existsSync(file)) return null;
  return { contentType: 'text/javascript', body: readFileSync(file, 'utf8') };
}
