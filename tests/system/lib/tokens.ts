// Tokens that authd would not give out. SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { cluster } from './cluster.js';
import type { Message } from './raw.js';

/** The same claims under others, or another key. */
export function reissue(token: string, change: Message, key: KeyObject): string {
  const [header, payload] = token.split('.') as [string, string];
  const claims = { ...JSON.parse(Buffer.from(payload, 'base64url').toString()), ...change };
  const body = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
  return `${body}.${sign('sha256', Buffer.from(body), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

/** The key that authd signs with. */
export function authdKey(): KeyObject {
  const directory = path.join(cluster.data, 'authd');
  const file = readdirSync(directory).find((name) => readFileSync(path.join(directory, name)).includes('PRIVATE KEY'));
  return createPrivateKey(readFileSync(path.join(directory, file!)));
}
