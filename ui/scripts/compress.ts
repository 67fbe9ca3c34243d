/**
 * Writes compressed copies beside the built files, for the server to send to browsers that take them.
 *
 * Done once at build time, at the highest effort, instead of at every request: the server never
 * compresses. Fonts are compressed already; a copy that saves nothing is not written.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Plugin } from 'vite';

const worthIt = /\.(js|css|html|svg|webmanifest)$/;

async function copies(text: Buffer): Promise<[suffix: string, copy: Buffer][]> {
  const br = await promisify(brotliCompress)(text, {
    params: { [constants.BROTLI_PARAM_SIZE_HINT]: text.length },
  });
  return [
    ['.br', br],
    ['.gz', await promisify(gzip)(text, { level: constants.Z_BEST_COMPRESSION })],
  ];
}

export function compressed(): Plugin {
  let folder = '';
  return {
    name: 'compressed',
    apply: 'build',
    configResolved: (config) => {
      folder = resolve(config.root, config.build.outDir);
    },
    closeBundle: async () => {
      const entries = await readdir(folder, { recursive: true });
      for (const name of entries.filter((entry) => worthIt.test(entry))) {
        const path = join(folder, name);
        const text = await readFile(path);
        for (const [suffix, copy] of await copies(text)) {
          if (copy.length < text.length) await writeFile(path + suffix, copy);
        }
      }
    },
  };
}
