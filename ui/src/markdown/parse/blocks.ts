/**
 * The blocks of a markdown document as plain data, and their making from marked's tokens.
 *
 * Inline text stays source (`text`): the view reads it when it draws, and only if it changed.
 * Nothing here is React, and nothing here is HTML.
 */
import type { Token, Tokens } from 'marked';
import type { FormulaToken } from './formula';
import type { LexedBlocks } from './lexer';

export type Alignment = 'left' | 'center' | 'right' | null;

export interface ListItem {
  /** null when the item has no checkbox. */
  checked: boolean | null;
  blocks: readonly Block[];
}

export type Block =
  | { kind: 'paragraph'; text: string }
  | { kind: 'heading'; size: number; level: number; text: string }
  | { kind: 'code'; info: string; text: string }
  | { kind: 'formula'; tex: string; open: boolean }
  | { kind: 'quote'; blocks: readonly Block[] }
  | { kind: 'list'; ordered: boolean; start: number; loose: boolean; items: readonly ListItem[] }
  | { kind: 'table'; align: readonly Alignment[]; head: readonly string[]; rows: readonly (readonly string[])[] }
  | { kind: 'rule' }
  | { kind: 'plain'; text: string };

export type Table = Extract<Block, { kind: 'table' }>;
export type List = Extract<Block, { kind: 'list' }>;

const highestHeading = 2;
const lowestHeading = 6;

const mostColumns = 64;
const mostCells = 6_000;

/**
 * Gives headings the level that the page's outline needs: below its one `h1`, never skipping a
 * level on the way down, whatever depth the author began with. Depends only on earlier headings.
 */
export class Outline {
  #depths: number[];

  constructor(depths: readonly number[] = []) {
    this.#depths = [...depths];
  }

  level(depth: number): number {
    while (this.#depths.length && this.#depths.at(-1)! >= depth) this.#depths.pop();
    this.#depths.push(depth);
    return Math.min(lowestHeading, highestHeading + this.#depths.length - 1);
  }

  copy(): Outline {
    return new Outline(this.#depths);
  }
}

/** Turns what marked read into blocks, dropping what draws nothing. */
export function toBlocks(lexed: LexedBlocks, outline: Outline): Block[] {
  const read = (tokens: Token[]): Block[] => {
    const blocks: Block[] = [];
    for (const token of tokens) {
      const block = toBlock(token as Tokens.Generic);
      if (block) blocks.push(block);
    }
    return blocks;
  };

  const toBlock = (token: Tokens.Generic): Block | null => {
    switch (token.type) {
      case 'paragraph':
      case 'text':
        return paragraph(token as Tokens.Paragraph);
      case 'heading': {
        const { depth, text } = token as Tokens.Heading;
        return { kind: 'heading', size: depth, level: outline.level(depth), text };
      }
      case 'code': {
        const { lang, text } = token as Tokens.Code;
        return codeBlock(lang ?? '', text);
      }
      case 'formula': {
        const { tex, open } = token as FormulaToken;
        return { kind: 'formula', tex, open };
      }
      case 'blockquote':
        return { kind: 'quote', blocks: read((token as Tokens.Blockquote).tokens) };
      case 'list':
        return list(token as Tokens.List);
      case 'table':
        return table(token as Tokens.Table);
      case 'hr':
        return { kind: 'rule' };
      default:
        return null;
    }
  };

  const paragraph = (token: Tokens.Paragraph | Tokens.Text): Block | null => {
    const text = lexed.inline.get(token.tokens ?? []);
    return text?.trim() ? { kind: 'paragraph', text: text.trimEnd() } : null;
  };

  const list = (token: Tokens.List): List => ({
    kind: 'list',
    ordered: token.ordered,
    start: token.start === '' ? 1 : token.start,
    loose: token.loose,
    items: token.items.map((item) => ({
      checked: item.task ? item.checked === true : null,
      blocks: read(item.tokens),
    })),
  });

  return read(lexed.tokens);
}

/** A code block; blanks at its end are not part of it. */
export function codeBlock(info: string, text: string): Block {
  return { kind: 'code', info, text: text.trimEnd() };
}

/** Whether a table of this size is shown as the text that it was written as. */
export function isTooLarge(columns: number, rows: number): boolean {
  return columns > mostColumns || columns * (rows + 1) > mostCells;
}

function table(token: Tokens.Table): Block {
  if (isTooLarge(token.header.length, token.rows.length)) return { kind: 'plain', text: token.raw };
  return {
    kind: 'table',
    align: token.align,
    head: token.header.map((cell) => cell.text),
    rows: token.rows.map((row) => row.map((cell) => cell.text)),
  };
}
