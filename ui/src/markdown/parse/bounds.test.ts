import { describe, expect, it } from 'vitest';
import type { Block } from './blocks';
import { MarkdownDocument } from './document';
import { deepestNesting, lexInline } from './lexer';
import { completeInline } from './unfinished';

const enormous: readonly (readonly [string, string])[] = [
  ['a line of 1 MB', 'a'.repeat(1_000_000)],
  ['1 MB of words', 'word '.repeat(200_000)],
  ['1 MB of short lines', 'word word\n'.repeat(100_000)],
  ['10,000 quotes', `${'> '.repeat(10_000)}x`],
  ['10,000 quotes without spaces', `${'>'.repeat(10_000)}x`],
  ['quotes, each line one deeper', Array.from({ length: 300 }, (_, at) => `${'>'.repeat(at)} x`).join('\n')],
  ['quotes with lazy lines', `${'>'.repeat(20)} a\nb\n`.repeat(300)],
  ['a list 2,000 deep', Array.from({ length: 2_000 }, (_, at) => `${' '.repeat(2 * at)}- x`).join('\n')],
  ['a list 200 deep', Array.from({ length: 200 }, (_, at) => `${' '.repeat(2 * at)}- x`).join('\n')],
  ['5,000 bullets on a line', `${'- '.repeat(5_000)}x`],
  ['bullets and quotes on a line', `${'- > '.repeat(3_000)}x`],
  ['an item of 20,000 lazy lines', `- a\n${'b\n'.repeat(20_000)}`],
  ['an item and 50,000 blank lines', `- a${'\n'.repeat(50_000)}b`],
  ['10,000 empty items', '- \n'.repeat(10_000)],
  ['10,000 fences', '```\n'.repeat(20_000)],
  ['a code of 1 MB', `\`\`\`js\n${'x\n'.repeat(500_000)}`],
  ['15,000 formula marks', '$$\n'.repeat(15_000)],
  ['10,000 opening formula marks', '\\[\n'.repeat(10_000)],
  ['10,000 definitions', '[a]: b\n'.repeat(10_000)],
  ['45,000 spaces', `${' '.repeat(45_000)}x`],
  ['45,000 tabs', `${'\t'.repeat(45_000)}x`],
  ['45,000 dashes', '-'.repeat(45_000)],
  ['a rule that is none', `${'* '.repeat(15_000)}x`],
  ['40,000 pipes over 40,000 pipes', `${'|'.repeat(40_000)}\n${'|'.repeat(40_000)}`],
];

const wearing: readonly (readonly [string, string])[] = [
  ['brackets', '['.repeat(1_490)],
  ['link beginnings', '[a]('.repeat(490)],
  ['nested links', `${'['.repeat(900)}a${'](b)'.repeat(900)}`],
  ['nested images', `${'!['.repeat(700)}a${'](b)'.repeat(700)}`],
  ['emphasis beginnings', '*a **b '.repeat(400)],
  ['emphasis ends', 'a** b* '.repeat(400)],
  ['stars', '*'.repeat(9_000)],
  ['code marks', '`a'.repeat(1_400)],
  ['address with brackets', `http://a.b/${'('.repeat(9_000)}`],
  ['address with dots', `http://a.b/${'.'.repeat(9_000)}`],
  ['an address for mail', `${'a.'.repeat(4_500)}@`],
  ['tags', '<a b="'.repeat(900)],
  ['dollars', '$a '.repeat(1_400)],
  ['entities', '&amp;'.repeat(1_900)],
];

const depth = (block: Block): number => {
  if (block.kind === 'quote') return 1 + deepest(block.blocks);
  if (block.kind === 'list') return 1 + deepest(block.items.flatMap((item) => item.blocks));
  return 1;
};
const deepest = (blocks: readonly Block[]): number => blocks.reduce((most, block) => Math.max(most, depth(block)), 0);

describe('texts made to wear a reader out', () => {
  it.each(enormous)('%s is read, in bounded depth, without losing an end', (_, text) => {
    for (const live of [true, false]) {
      const { blocks } = new MarkdownDocument().update(text, live);
      expect(blocks.length).toBeGreaterThan(0);
      expect(deepest(blocks)).toBeLessThanOrEqual(2 * deepestNesting);
    }
  }, 60_000);

  it.each(wearing)('%s in one paragraph are read', (_, text) => {
    expect(lexInline(text, new Map()).length).toBeGreaterThan(0);
    expect(completeInline(text).length).toBeLessThanOrEqual(text.length + 2_000);
  }, 60_000);

  it('a table with 1,000 columns is shown as it was written', () => {
    const text = `|${'a|'.repeat(1_000)}\n|${'-|'.repeat(1_000)}\n|${'b|'.repeat(1_000)}`;
    expect(new MarkdownDocument().update(text, false).blocks).toEqual([{ kind: 'plain', text }]);
  });

  it('a table of many rows grows row by row up to its bound, and is the same in the end', () => {
    const text = `|a|b|\n|-|-|\n${'|1|2|\n'.repeat(2_900)}`;
    const growing = new MarkdownDocument();
    for (let length = 1; length < text.length; length += 5_000) growing.update(text.slice(0, length), true);
    const { blocks } = growing.update(text, false);
    expect(blocks).toEqual(new MarkdownDocument().update(text, false).blocks);
    expect(blocks[0]).toMatchObject({ kind: 'table' });
  });
});
