/**
 * How the page is built, served in development and tested.
 *
 * The build lands where the server's wheel picks it up. The server's policy forbids inline script
 * and `data:` fonts, so nothing is inlined: every asset is a hashed file under `assets/`.
 */
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { compressed } from './scripts/compress';
import { woff2Only } from './scripts/fonts';

const server = 'http://localhost:3001';

export default defineConfig({
  base: '/',
  plugins: [woff2Only(), react(), tailwindcss(), compressed()],
  server: {
    proxy: {
      // The server takes unsafe methods only from its own origin.
      '/api': { target: server, changeOrigin: true, headers: { origin: server } },
      '/ws': { target: server, changeOrigin: true, ws: true, rewriteWsOrigin: true },
    },
  },
  build: {
    outDir: '../src/cipher/web/static',
    emptyOutDir: true,
    assetsDir: 'assets',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2023',
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.{ts,tsx}'],
    testTimeout: 20_000,
    restoreMocks: true,
    unstubGlobals: true,
  },
});
