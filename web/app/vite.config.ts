// SPDX-License-Identifier: Apache-2.0
import react from '@vitejs/plugin-react';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const server = process.env.CONCLAVE_URL ?? 'http://localhost:8080';
const proxy = {
  '/ws': { target: server, ws: true, changeOrigin: true, rewriteWsOrigin: true },
  '/v1': { target: server, changeOrigin: true },
};

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { '@conclave/sdk': fileURLToPath(new URL('../sdk/src/index.ts', import.meta.url)) } },
  server: { proxy },
  preview: { proxy },
  build: {
    target: ['chrome109', 'firefox115', 'safari16.4'],
    // The Content-Security-Policy allows neither data: URLs nor inline scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  test: { environment: 'jsdom' },
});
