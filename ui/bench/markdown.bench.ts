/**
 * What a streamed reply costs the page: a reply of 32 kB in 400 flushes, each drawn at once, of the
 * kinds of text that models write, and one of twice the length in twice as many flushes, which
 * should cost twice as much.
 *
 * Run: `npx vitest bench --run bench`. In a simulated DOM, so it holds for comparing; the page's own
 * figure is taken in a browser.
 */
import { createElement } from 'react';
import { flushSync } from 'react-dom';
import { createRoot } from 'react-dom/client';
import { bench, describe } from 'vitest';
import { Markdown } from '../src/markdown/Markdown';
import { loadEverything } from '../src/markdown/testing';

const prose =
  'A paragraph with **bold** and *slanted* words, some `code`, and [a link](https://example.com/page). ' +
  'It goes on for a while, as paragraphs do, and it ends here.\n\n';
const list = '1. **First**: a point that needs a line\n   - with a detail\n   - and another `one`\n';
const code = 'def measure(x: int) -> int:\n    """Say what it does."""\n    return x + 1  # and why\n\n';
const rows = '| some cell | another `cell` | a third **cell** |\n';
const mixed =
  `## A heading\n\n${prose}${list.repeat(3)}\n\`\`\`python\n${code.repeat(3)}\`\`\`\n\n${prose}` +
  `| one | two | three |\n|---|---|---|\n${rows.repeat(4)}\n> ${prose}So $x^2 + y^2 = z^2$.\n\n`;

const fill = (part: string, length: number) => part.repeat(Math.ceil(length / part.length)).slice(0, length);

const replies: Readonly<Record<string, (length: number) => string>> = {
  mixed: (length) => fill(mixed, length),
  prose: (length) => fill(prose, length),
  'one list': (length) => fill(list, length),
  'one code block': (length) => fill(`\`\`\`python\n${fill(code, length)}`, length),
  'one table': (length) => fill(`| a | b | c |\n|---|---|---|\n${fill(rows, length)}`, length),
};

function stream(text: string, flushes: number): void {
  const root = createRoot(document.createElement('div'));
  const step = Math.ceil(text.length / flushes);
  for (let length = step; length < text.length + step; length += step) {
    const streaming = length < text.length;
    flushSync(() => root.render(createElement(Markdown, { text: text.slice(0, length), streaming })));
  }
  root.unmount();
}

await loadEverything();

const kilobytes = 1_024;

for (const [name, reply] of Object.entries(replies)) {
  describe(name, () => {
    const options = { iterations: 5, time: 0, warmupIterations: 1, warmupTime: 0 };
    const short = reply(32 * kilobytes);
    const long = reply(64 * kilobytes);
    bench('32 kB in 400 flushes', () => stream(short, 400), options);
    bench('64 kB in 800 flushes', () => stream(long, 800), options);
  });
}
