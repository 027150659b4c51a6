// Node 18 has Web Crypto, but not as a global.
// SPDX-License-Identifier: Apache-2.0
import { webcrypto } from 'node:crypto';

if (!globalThis.crypto) Object.defineProperty(globalThis, 'crypto', { value: webcrypto });
