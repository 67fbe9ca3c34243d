import { describe, expect, it } from 'vitest';
import { MarkdownDocument } from './document';
import { completeInline } from './unfinished';

const live = (text: string) => new MarkdownDocument().update(text, true).blocks;
const kinds = (text: string) => live(text).map((block) => block.kind);

describe('the end of a text that is being written', () => {
  it.each([
    ['Text\n-', ['paragraph']],
    ['Text\n--', ['paragraph']],
    ['Text\n=', ['paragraph']],
    ['Text\n1', ['paragraph']],
    ['Text\n\n#', ['paragraph']],
    ['Text\n\n``', ['paragraph']],
    ['Text\n\n```py', ['paragraph']],
    ['Text\n\n```py\n', ['paragraph', 'code']],
    ['Text\n\n> ', ['paragraph']],
    ['Text\n\n$', ['paragraph']],
    ['Text\n\n$$\nx', ['paragraph', 'formula']],
    ['Text\n\n- [ ]', ['paragraph']],
    ['Text\n\n|', ['paragraph']],
    ['Text\n\n| a', ['paragraph', 'table']],
    ['Text\n\n| a | b |\n|', ['paragraph', 'table']],
    ['Text\n\n| a | b |\n|--', ['paragraph', 'table']],
    ['Text\n\n| a | b |\n|---|:-', ['paragraph', 'table']],
    ['Text\n\n| a | b |\n|---|---|\n|', ['paragraph', 'table']],
    ['Text\n\n| a | b |\n|---|---|\n| 1', ['paragraph', 'table']],
  ])('%j is drawn as %j', (text, expected) => {
    expect(kinds(text)).toEqual(expected);
  });

  it('leaves half a closing fence out of the code', () => {
    expect(live('```\ncode\n``')).toEqual([{ kind: 'code', info: '', text: 'code' }]);
    expect(live('````\n```\n')).toEqual([{ kind: 'code', info: '', text: '```' }]);
  });

  it('keeps the columns of a half-written table', () => {
    expect(live('| a | b |\n|-')).toEqual(live('| a | b |\n|---|---|'));
  });

  it('never goes back: a table grows, and is a table at every length', () => {
    const text = '| a | b |\n|:--|--:|\n| 1 | 2 |\n| 3 | 4 |\n';
    for (let length = 3; length <= text.length; length += 1) expect(kinds(text.slice(0, length))).toEqual(['table']);
  });

  it('draws a list as a list at every length', () => {
    const text = 'So:\n- one\n- two\n';
    for (let length = 7; length <= text.length; length += 1) {
      expect(kinds(text.slice(0, length))).toEqual(['paragraph', 'list']);
    }
  });
});

describe('completeInline', () => {
  it.each([
    ['**bol', '**bol**'],
    ['**bold*', '**bold**'],
    ['**bold**', '**bold**'],
    ['a **', 'a '],
    ['***both', '***both***'],
    ['**bold and *em', '**bold and *em***'],
    ['**bold ', '**bold**'],
    ['_em', '_em_'],
    ['~~gone', '~~gone~~'],
    ['~5 minutes', '~5 minutes'],
    ['snake_case_name', 'snake_case_name'],
    ['5 * 3', '5 * 3'],
    ['2*3', '2*3'],
    ['`cod', '`cod`'],
    ['`` a ` b', '`` a ` b``'],
    ['`', ''],
    ['see [the li', 'see the li'],
    ['see [the link]', 'see the link'],
    ['see [the link](https://exa', 'see the link'],
    ['see [the link](https://example.com)', 'see [the link](https://example.com)'],
    ['see [**bold li', 'see **bold li**'],
    ['![pictu', 'pictu'],
    ['![picture](https://exa', 'picture'],
    ['[1] said', '[1] said'],
    ['costs $5', 'costs $5'],
    ['so $x^2 + ', 'so '],
    ['so \\(x + ', 'so '],
    ['so $x_1 * y_1$ and *em', 'so $x_1 * y_1$ and *em*'],
    ['ends with \\', 'ends with '],
  ])('%j is drawn as %j', (text, drawn) => {
    expect(completeInline(text)).toBe(drawn);
  });

  it('takes an old bracket for text', () => {
    const text = `an [old one ${'word '.repeat(80)}`;
    expect(completeInline(text)).toBe(text);
  });
});
