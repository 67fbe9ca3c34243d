/**
 * Follows one list line by line and says where its items start and where it ends.
 *
 * It walks the same steps as marked's list rule, with the same notion of how far an item's content
 * is indented. Where marked's answer depends on more than the lines so far, it says `unsure`.
 */
import * as lines from './lines';

export type Step = 'content' | 'item' | 'end' | 'unsure';

/** Text that a lazy line can continue: nothing that ends with its own line or nests. */
function isOrdinary(text: string): boolean {
  if (lines.isIndented(text) || lines.isHeading(text) || lines.isRule(text)) return false;
  return !lines.isBullet(text) && !lines.isQuoted(text) && !/^ *(?:```|~~~)/.test(text);
}

export class ItemTracker {
  #kind = '';
  #content = 0;
  #text = '';
  #first = '';
  #afterBlank = false;
  #fresh = true;
  #ended = false;

  constructor(line: string) {
    this.#begin(line);
  }

  /** Takes the next line of the text and says what it is to this list. */
  take(line: string): Step {
    const fresh = this.#fresh;
    this.#fresh = false;
    const blank = lines.isBlank(line);
    if (this.#ended) return this.#isNext(line) ? this.#begin(line) : 'end';
    if (fresh && this.#afterBlank && blank) {
      this.#ended = true;
      return 'content';
    }
    if (!blank && !line.trim()) return 'unsure';
    const indent = /^ */.exec(line)![0].length;
    if (indent <= Math.min(3, this.#content - 1)) {
      if (this.#isNext(line)) return this.#begin(line);
      if (lines.isRule(line) || lines.isBullet(line)) return 'end';
      if (/^ *(?:```|~~~)/.test(line)) return lines.readFence(line) ? 'end' : 'unsure';
      if (lines.isHeading(line) || lines.isQuoted(line)) return 'end';
    }
    return this.#takeText(line, blank);
  }

  #takeText(line: string, blank: boolean): Step {
    const expanded = lines.expandIndent(line);
    if (!blank && expanded.search(/[^ ]/) < this.#content) {
      if (this.#afterBlank) return 'end';
      const lazy = isOrdinary(this.#text) && isOrdinary(this.#first) && !lines.isUnderline(line);
      if (!lazy) return 'unsure';
    }
    this.#afterBlank = blank;
    this.#text = expanded.slice(this.#content);
    return 'content';
  }

  #isNext(line: string): boolean {
    return kindOf(line) === this.#kind && !lines.isRule(line);
  }

  #begin(line: string): Step {
    const match = /^( {0,3}(?:[*+-]|\d{1,9}[.)]))([^\n]*)$/.exec(line)!;
    const marker = match[1]!.length;
    this.#kind = kindOf(line);
    this.#text = this.#first = lines.expandIndent(match[2]!, marker);
    this.#afterBlank = !this.#text.trim();
    const lead = this.#text.search(/[^ ]/);
    this.#content = marker + (this.#afterBlank || lead > 4 ? 1 : lead);
    this.#fresh = true;
    this.#ended = false;
    return 'item';
  }
}

function kindOf(line: string): string {
  return /^ {0,3}(?:([*+-])|\d{1,9}([.)]))(?:[ \t]|$)/.exec(line)?.slice(1).join('') ?? '';
}
