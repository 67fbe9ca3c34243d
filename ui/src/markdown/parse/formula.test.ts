import { describe, expect, it } from 'vitest';
import type { Token, Tokens } from 'marked';
import { MarkdownDocument } from './document';
import { lexInline } from './lexer';

function formulas(tokens: readonly Token[]): string[] {
  return tokens.flatMap((token) => {
    if (token.type === 'formula') return [(token as Tokens.Generic & { tex: string }).tex];
    return 'tokens' in token && token.tokens ? formulas(token.tokens) : [];
  });
}

const within = (text: string) => formulas(lexInline(text, new Map()));
const blocks = (text: string, live = false) => new MarkdownDocument().update(text, live).blocks;

describe('formulas within a line', () => {
  it.each([
    ['$x$', ['x']],
    ['so $a_1 * b_2$, and $c*d$.', ['a_1 * b_2', 'c*d']],
    ['\\(x + y\\) and \\[z\\]', ['x + y', 'z']],
    ['both $$a$$ and $b$', ['a', 'b']],
    ['*see $a*b$ here*', ['a*b']],
    ['**bold \\(x_1\\) and \\(x_2\\)**', ['x_1', 'x_2']],
    ['$2 x$ is $-1$', ['2 x', '-1']],
    ['price $\\$5$', ['\\$5']],
    ['公式$E=mc^2$是', ['E=mc^2']],
  ])('%j holds %j', (text, tex) => {
    expect(within(text)).toEqual(tex);
  });

  it.each([
    'between $5 and $6',
    'from $5-$6 a month',
    '$5 million and 10$ more',
    '$1,000 or so, 20$ less',
    'US$5 and CA$6',
    '$HOME and $USER',
    '$HOME/$USER',
    '`$x$`',
    '\\$x\\$',
    '$ x $',
    '$',
    '$$',
    '$`x`$',
    'a $b\nc$ d',
    '\\( and \\[ alone',
  ])('%j holds none', (text) => {
    expect(within(text)).toEqual([]);
  });
});

describe('formulas on lines of their own', () => {
  it.each([
    ['$$\na\n=\nb\n+ c\n- d\n$$', 'a\n=\nb\n+ c\n- d'],
    ['\\[\n# x\n> y\n\\]', '# x\n> y'],
    ['$$ x $$', 'x'],
    ['\\[ x \\]', 'x'],
  ])('%j is one', (text, tex) => {
    expect(blocks(text)).toEqual([{ kind: 'formula', tex, open: false }]);
  });

  it('ends a paragraph and lets another begin', () => {
    expect(blocks('so\n$$\nx\n$$\nwhere')).toEqual([
      { kind: 'paragraph', text: 'so' },
      { kind: 'formula', tex: 'x', open: false },
      { kind: 'paragraph', text: 'where' },
    ]);
  });

  it('stands in a list item too', () => {
    const [list] = blocks('1. one\n\n   $$\n   x\n   $$\n2. two');
    expect(list).toMatchObject({ items: [{ blocks: [{}, { kind: 'formula', tex: 'x' }] }, {}] });
  });

  it('is text if it never ends, and open while it may', () => {
    expect(blocks('$$\nx')).toEqual([{ kind: 'paragraph', text: '$$\nx' }]);
    expect(blocks('$$\nx +', true)).toEqual([{ kind: 'formula', tex: 'x +', open: true }]);
    expect(blocks('$$\nx\n\nmore', true)[0]).toEqual({ kind: 'paragraph', text: '$$\nx' });
  });
});
