/**
 * A markdown document that is read while it is being written.
 *
 * `update` takes the whole text so far and returns its blocks. Text that only grew is read from the
 * last unfinished block on, and finished blocks keep their identity, so that a view can skip them.
 * What it returns depends on the text alone, not on the steps by which it came; but for a last
 * block of more than `eagerLength`, whose newest part is plain text for a moment while it grows.
 */
import { Outline, type Block } from './blocks';
import { readText, SegmentReader, type Read, type Reading } from './reader';
import type { Definitions } from './lexer';
import { Scanner, type Segment } from './scanner';
import { settle, settledLength } from './tail';

export interface Snapshot {
  /** Blocks that did not change are the same objects as before. */
  blocks: readonly Block[];
  definitions: Definitions;
}

/** A last block longer than this is read again only when it has grown by a twelfth. */
const eagerLength = 6_000;

/** Line ends that are not `\n`, and that marked would read in two ways. */
const otherLineEnd = /\r\n?|[\u2028\u2029]/g;

export class MarkdownDocument {
  #raw = '';
  #live = false;
  #plain = true;
  #state = new State();
  #snapshot: Snapshot | null = null;

  /** Reads `text`; with `live`, it may grow, and what is half written at its end is smoothed. */
  update(text: string, live: boolean): Snapshot {
    if (this.#snapshot && text === this.#raw && live === this.#live) return this.#snapshot;
    if (!text.startsWith(this.#raw) || this.#raw.endsWith('\r')) this.#restart();
    this.#plain &&= text.slice(this.#raw.length).search(otherLineEnd) < 0;
    this.#raw = text;
    this.#live = live;
    this.#snapshot = this.#state.read(this.#plain ? text : text.replace(otherLineEnd, '\n'), live);
    return this.#snapshot;
  }

  #restart(): void {
    this.#state = new State();
    this.#raw = '';
    this.#plain = true;
  }
}

class State {
  #scanner = new Scanner();
  #blocks: Block[] = [];
  #outline = new Outline();
  #definitions: Definitions = new Map();
  #reader = new SegmentReader(this.#outline);
  #last: { outline: Outline; text: string; reading: Reading } | null = null;

  read(source: string, live: boolean): Snapshot {
    for (const segment of this.#scanner.scan(source)) this.#finish(source, segment);
    const open = this.#scanner.open;
    const to = live ? settledLength(source, open) : source.length;
    if (to <= open.start) return this.#snapshot([], this.#definitions);
    const read: Read = live ? (text, outline) => this.#readLive(text, outline) : readText;
    const { blocks, definitions } = this.#reader.read(source, open, to, read);
    return this.#snapshot(blocks, live ? this.#definitions : this.#with(definitions));
  }

  #finish(source: string, segment: Segment): void {
    const reading = this.#reader.read(source, segment, segment.end, readText);
    this.#outline = reading.outline;
    this.#definitions = this.#with(reading.definitions);
    this.#reader = new SegmentReader(this.#outline);
    this.#last = null;
    this.#blocks.push(...reading.blocks);
  }

  /** Reads a text that may still change, and a long one less often the longer it is. */
  #readLive(text: string, outline: Outline): Reading {
    const last = this.#last?.outline === outline && text.startsWith(this.#last.text) ? this.#last : null;
    const added = last ? text.slice(last.text.length) : '';
    if (last && text.length > eagerLength && added.length * 12 < text.length) {
      const blocks: Block[] = added.trim() ? [{ kind: 'plain', text: added }] : [];
      return { ...last.reading, blocks: [...last.reading.blocks, ...blocks] };
    }
    const reading = readText(settle(text), outline, true);
    this.#last = { outline, text, reading };
    return reading;
  }

  #with(definitions: Definitions): Definitions {
    const added = [...definitions].filter(([label]) => !this.#definitions.has(label));
    return added.length ? new Map([...this.#definitions, ...added]) : this.#definitions;
  }

  #snapshot(blocks: readonly Block[], definitions: Definitions): Snapshot {
    return { blocks: [...this.#blocks, ...blocks], definitions };
  }
}
