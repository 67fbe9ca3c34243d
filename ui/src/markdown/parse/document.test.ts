import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Outline, toBlocks, type Block } from './blocks';
import { MarkdownDocument } from './document';
import { lexBlocks } from './lexer';
import { hardTexts, oddLines, samples } from './samples';

/** A file of conversations, one JSON object with `messages` a line, to read besides the samples. */
const conversations = process.env.CONVERSATIONS_JSONL;

function readConversations(path: string): string[] {
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return lines.flatMap((line) => {
    const { messages } = JSON.parse(line) as { messages: { content: string }[] };
    return messages.map(({ content }) => content);
  });
}

const texts = [...samples, ...(conversations ? readConversations(conversations) : [])];

const read = (text: string, live = false) => new MarkdownDocument().update(text, live);

/** The whole text, read by marked in one go. */
function readWhole(text: string) {
  const lexed = lexBlocks(text.replace(/\r\n?|[\u2028\u2029]/g, '\n'));
  return { blocks: toBlocks(lexed, new Outline()), definitions: lexed.definitions };
}

const oddText = fc
  .array(fc.constantFrom(...oddLines), { minLength: 1, maxLength: 14 })
  .map((lines) => lines.join('\n'));

const cutText = (text: fc.Arbitrary<string>) =>
  fc.tuple(text, fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.boolean()), { minLength: 1, maxLength: 60 }));

function follow(text: string, steps: readonly (readonly [number, boolean])[]): void {
  const growing = new MarkdownDocument();
  let length = 0;
  for (const [step, live] of steps) {
    length = Math.min(text.length, length + step);
    const part = text.slice(0, length);
    expect(growing.update(part, live)).toEqual(read(part, live));
  }
  expect(growing.update(text, false)).toEqual(read(text));
}

const settings = { seed: 20_261_122, numRuns: 600 };
const patience = 60_000;

describe('a growing document', () => {
  it('reads odd texts, cut anywhere, as it would read them at once', () => {
    fc.assert(fc.property(cutText(oddText), ([text, steps]) => follow(text, steps)), settings);
  }, patience);

  it('reads real texts, cut anywhere, as it would read them at once', () => {
    const runs = { ...settings, numRuns: 150 };
    fc.assert(fc.property(cutText(fc.constantFrom(...texts)), ([text, steps]) => follow(text, steps)), runs);
  }, patience);

  it('reads odd texts as marked reads them whole', () => {
    const holds = fc.property(oddText, (text) => {
      expect(read(text)).toEqual(readWhole(text));
    });
    fc.assert(holds, settings);
  }, patience);

  it.each(hardTexts.map((text) => [text]))('reads the hard text %j as marked reads it whole', (text) => {
    expect(read(text)).toEqual(readWhole(text));
  });

  it.each(texts.map((text) => [text.slice(0, 40), text]))('reads %j as marked reads it whole', (_, text) => {
    expect(read(text)).toEqual(readWhole(text));
  });

  it('keeps finished blocks, items and rows as they are', () => {
    const document = new MarkdownDocument();
    const start = 'One\n\n- a\n- b\n- c\n';
    const before = document.update(start, true).blocks;
    const after = document.update(`${start}- d`, true).blocks;
    expect(after[0]).toBe(before[0]);
    expect(items(after[1]!)[0]).toBe(items(before[1]!)[0]);
    expect(items(after[1]!)).toHaveLength(4);

    const table = document.update('| h |\n|---|\n| 1 |\n| 2 |\n', true).blocks[0]!;
    const longer = document.update('| h |\n|---|\n| 1 |\n| 2 |\n| 3', true).blocks[0]!;
    expect(rows(longer)[0]).toBe(rows(table)[0]);
    expect(rows(longer)).toEqual([['1'], ['2'], ['3']]);
  });

  it('starts again when the text is another one', () => {
    const document = new MarkdownDocument();
    document.update('# One\n\ntext', true);
    expect(document.update('# Two', true)).toEqual(read('# Two', true));
  });

  it('gives every heading the level that the outline needs, whatever its author began with', () => {
    const { blocks } = read('### a\n\n##### b\n\n# c\n\n## d\n\n- ### e\n\n###### f');
    const levels = blocks.flatMap((block) => (block.kind === 'heading' ? [block.level] : []));
    expect(levels).toEqual([2, 3, 2, 3, 5]);
  });

  it('never skips the words of a block too long to be lexed', () => {
    const line = `${'word '.repeat(4_000)}end`;
    expect(read(line).blocks).toEqual([{ kind: 'plain', text: line }]);
  });

  it('takes definitions of finished blocks only, and all of them in the end', () => {
    const document = new MarkdownDocument();
    expect(document.update('[a]\n\n[a]: https://exa', true).definitions.size).toBe(0);
    expect(document.update('[a]\n\n[a]: https://example.com', false).definitions.get('a')?.href).toBe(
      'https://example.com',
    );
  });
});

function items(block: Block) {
  return block.kind === 'list' ? block.items : [];
}

function rows(block: Block) {
  return block.kind === 'table' ? block.rows : [];
}
