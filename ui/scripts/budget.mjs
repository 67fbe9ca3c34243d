/**
 * Fails when the built page is heavier than it may be.
 *
 * Initial means what the browser must have before the page works: the scripts and style sheets that
 * `index.html` names, module preloads included. Every other script is a lazy chunk. Sizes are gzip
 * bytes at the default level; katex and mermaid are as big as they are, and load when one is met.
 *
 *     node scripts/budget.mjs [directory of the build]
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const kB = 1000;
const limits = { script: 130 * kB, style: 12 * kB, chunk: 30 * kB };
/** katex itself comes inside the part that draws formulas with it. */
const unlimited = /^(DrawnFormula|katex|mermaid)-/;

const build =
  process.argv[2] ?? fileURLToPath(new URL('../../src/cipher/web/static', import.meta.url));
const page = readFileSync(join(build, 'index.html'), 'utf8');
const named = [...page.matchAll(/(?:src|href)="\/([^"]+\.(?:js|css))"/g)].map(([, path]) => path);
const size = (path) => gzipSync(readFileSync(join(build, path))).length;
const sum = (paths) => paths.reduce((total, path) => total + size(path), 0);

const assets = readdirSync(join(build, 'assets')).map((name) => `assets/${name}`);
const lazy = assets.filter((path) => path.endsWith('.js') && !named.includes(path));

const checks = [
  ['initial scripts', sum(named.filter((path) => path.endsWith('.js'))), limits.script],
  ['initial styles', sum(named.filter((path) => path.endsWith('.css'))), limits.style],
  ...lazy
    .filter((path) => !unlimited.test(basename(path)))
    .map((path) => [basename(path), size(path), limits.chunk]),
];

let over = 0;
for (const [name, bytes, limit] of checks) {
  const ok = bytes <= limit;
  if (!ok) over += 1;
  console.log(`${ok ? 'ok  ' : 'OVER'} ${name}: ${(bytes / kB).toFixed(1)} of ${limit / kB} kB`);
}
if (named.length === 0) {
  console.error(`${build} names no scripts: is it a build?`);
  process.exit(1);
}
process.exit(over === 0 ? 0 : 1);
