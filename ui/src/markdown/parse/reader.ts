/**
 * Reads one segment of a markdown text into blocks.
 *
 * A fence is read without marked, a list item by item and a table row by row, each finished item
 * and row once: what a segment costs while it grows is linear in its length. Text too long to be
 * lexed in reasonable time becomes one block of plain text.
 */
import {
  codeBlock,
  isTooLarge,
  toBlocks,
  type Block,
  type List,
  type ListItem,
  type Outline,
  type Table,
} from './blocks';
import { lexBlocks, type Definitions } from './lexer';
import { closesFence, hasLongLine } from './lines';
import type { Segment } from './scanner';

/** What marked reads in one go at most: beyond, its time grows with length times lines. */
const longestBlock = 48_000;
const longestLine = 16_000;
const mostWork = 40_000_000;
const rowsAtOnce = 64;

export interface Reading {
  blocks: readonly Block[];
  definitions: Definitions;
  /** The outline after these blocks. */
  outline: Outline;
}

/** Reads a stretch of text that starts where a block starts. */
export type Read = (text: string, outline: Outline) => Reading;

const none: Definitions = new Map();

/** Reads `text` with marked, or as plain text if it is too long for that. */
export function readText(text: string, outline: Outline, live = false): Reading {
  if (isTooLong(text)) {
    const plain: Block = { kind: 'plain', text: text.replace(/^\n+/, '').trimEnd() };
    return { blocks: [plain], definitions: none, outline };
  }
  const lexed = lexBlocks(text, live);
  const after = outline.copy();
  return { blocks: toBlocks(lexed, after), definitions: lexed.definitions, outline: after };
}

function isTooLong(text: string): boolean {
  if (text.length > longestBlock || hasLongLine(text, longestLine)) return true;
  return text.length > 1_000 && text.length * text.split('\n').length > mostWork;
}

/** Reads a fence that starts at the margin; null if it is indented, which is left to marked. */
function readFence(source: string, { start, fence }: Readonly<Segment>, to: number): Block | null {
  if (!fence || fence.indent > 0) return null;
  const info = fence.info.replace(/\\([\p{P}\p{S}])/gu, '$1');
  const from = source.indexOf('\n', start) + 1;
  if (from === 0 || from > to) return codeBlock(info, '');
  const text = source.slice(from, to).replace(/\n$/, '');
  const last = text.lastIndexOf('\n') + 1;
  return codeBlock(info, closesFence(text.slice(last), fence) ? text.slice(0, last) : text);
}

/** Reads one segment while it grows and when it is closed; keeps what can no longer change. */
export class SegmentReader {
  #outline: Outline;
  #list: List | null = null;
  #items: ListItem[] = [];
  #table: Table | null = null;
  #rows: (readonly string[])[] = [];
  #done = 0;
  #loose = false;
  #definitions = new Map<string, { href: string; title: string | null }>();
  #whole = false;

  constructor(outline: Outline) {
    this.#outline = outline;
  }

  /** Reads `segment` of `source` up to `to`; `read` reads what may still change. */
  read(source: string, segment: Readonly<Segment>, to: number, read: Read): Reading {
    const start = { outline: this.#outline, definitions: none };
    const code = segment.shape === 'fence' ? readFence(source, segment, to) : null;
    if (code) return { ...start, blocks: [code] };
    if (!this.#whole && segment.parts.length) {
      const reading =
        segment.shape === 'list'
          ? this.#readItems(source, segment, to, read)
          : this.#readRows(source, segment, to, read);
      if (reading) return reading;
    }
    return read(source.slice(segment.start, to), this.#outline);
  }

  #readItems(source: string, { parts }: Readonly<Segment>, to: number, read: Read): Reading | null {
    while (this.#done < parts.length - 1) {
      const text = source.slice(parts[this.#done], parts[this.#done + 1]);
      const { blocks, definitions, outline } = readText(text, this.#outline);
      const list = blocks[0];
      if (list?.kind !== 'list' || blocks.length > 1) return this.#giveUp();
      this.#list ??= list;
      this.#items.push(...list.items);
      this.#loose ||= list.loose || /\n[ \t]*\n[ \t]*$/.test(text);
      this.#define(definitions);
      this.#outline = outline;
      this.#done += 1;
    }
    const last = read(source.slice(parts[this.#done], to), this.#outline);
    const [list, ...rest] = last.blocks;
    if (list?.kind !== 'list') return null;
    const { ordered, start } = this.#list ?? list;
    const items = [...this.#items, ...list.items];
    const whole: List = { kind: 'list', ordered, start, loose: this.#loose || list.loose, items };
    const definitions = new Map([...last.definitions, ...this.#definitions]);
    return { blocks: [whole, ...rest], definitions, outline: last.outline };
  }

  #readRows(source: string, segment: Readonly<Segment>, to: number, read: Read): Reading | null {
    const { start, parts } = segment;
    const head = source.slice(start, parts[0]);
    const end = source.indexOf('\n', parts.at(-1)) + 1;
    while (this.#done < parts.length) {
      const next = Math.min(parts.length, this.#done + rowsAtOnce);
      const text = head + source.slice(parts[this.#done], parts[next] ?? end);
      const table = readText(text, this.#outline).blocks[0];
      if (table?.kind !== 'table' || table.rows.length !== next - this.#done) return this.#giveUp();
      this.#table ??= table;
      this.#rows.push(...table.rows);
      this.#done = next;
    }
    const tail = source.slice(end, to).trim() ? read(head + source.slice(end, to), this.#outline).blocks : [];
    const { align, head: cells } = this.#table!;
    const [table, ...rest] = tail.length ? tail : [this.#table!];
    if (table?.kind !== 'table') return null;
    const rows = [...this.#rows, ...(tail.length ? table.rows : [])];
    const whole: Block = isTooLarge(cells.length, rows.length)
      ? { kind: 'plain', text: source.slice(start, to).trimEnd() }
      : { kind: 'table', align, head: cells, rows };
    return { blocks: [whole, ...rest], definitions: none, outline: this.#outline };
  }

  #define(definitions: Definitions): void {
    for (const [label, target] of definitions) {
      if (!this.#definitions.has(label)) this.#definitions.set(label, target);
    }
  }

  #giveUp(): null {
    this.#whole = true;
    return null;
  }
}
