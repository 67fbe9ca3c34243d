/**
 * Builds the page with its engine replaced by a stage (`stage.ts`), for looking at every screen.
 *
 * The hooks of the engine are swapped when they are resolved, so that the views are the very files
 * of the product and nothing of the stage can reach the product's bundle.
 */
import { fileURLToPath } from 'node:url';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const here = fileURLToPath(new URL('.', import.meta.url));
const stage = `${here}stage.tsx`;
const engine = /\/(chat-context|use-chat|use-draft|use-connection|use-sessions)$/;

export default defineConfig({
  root: here,
  publicDir: `${here}../public`,
  plugins: [
    {
      name: 'stage',
      enforce: 'pre',
      resolveId: (source) => (engine.test(source) ? stage : null),
    },
    react(),
    tailwindcss(),
  ],
  build: {
    outDir: `${here}dist`,
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2023',
  },
});
