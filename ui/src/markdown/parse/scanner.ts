/**
 * Cuts a growing markdown text into segments that no later text can change.
 *
 * One pass over complete lines. A cut is made only where marked, reading the whole text, ends one
 * top-level block and starts another whatever follows; so the segments can be lexed one by one, and
 * a closed one never again. Where that cannot be told from the lines, the segment is `sealed`: it
 * stays open to the end, which costs time and never correctness.
 */
import { hasDisplayStart, unclosedFormula } from './formula';
import { ItemTracker } from './items';
import { lexBlocks } from './lexer';
import * as lines from './lines';

export type Shape = 'none' | 'prose' | 'quote' | 'indented' | 'fence' | 'list' | 'table' | 'sealed';

export interface Segment {
  shape: Shape;
  start: number;
  end: number;
  /** Where its items (of a list) or rows (of a table) start. */
  parts: number[];
  fence: lines.Fence | null;
}

const longestSealed = 12_000;

const fresh = (start: number): Segment => ({ shape: 'none', start, end: start, parts: [], fence: null });

export class Scanner {
  #open: Segment = fresh(0);
  #closed: Segment[] = [];
  #items: ItemTracker | null = null;
  #at = 0;
  #line = { start: 0, text: '' };
  /** Prose: every line so far surely belongs to one paragraph. Quote: no line without a mark yet. */
  #certain = true;
  /** Sealed: the fence, at whatever depth, that seems to be open. */
  #fence: lines.Fence | null = null;
  #formula: { closer: string; empty: boolean; structural: boolean } | null = null;

  /** The segment that later text can still change; its last line may be incomplete. */
  get open(): Readonly<Segment> {
    return this.#open;
  }

  /** Reads the complete lines that `source` gained, and returns the segments that they closed. */
  scan(source: string): readonly Segment[] {
    this.#closed = [];
    for (;;) {
      const end = source.indexOf('\n', this.#at);
      if (end < 0) return this.#closed;
      const line = { start: this.#at, text: source.slice(this.#at, end) };
      this.#at = end + 1;
      this.#take(line.text, line.start);
      this.#line = line;
    }
  }

  #take(line: string, start: number): void {
    switch (this.#open.shape) {
      case 'none':
        return this.#begin(line, start);
      case 'fence':
        if (lines.closesFence(line, this.#open.fence!)) this.#close(this.#at);
        return;
      case 'indented':
        if (!lines.isBlank(line) && !lines.isIndented(line)) this.#restart(line, start);
        return;
      case 'list':
        return this.#takeItem(line, start);
      case 'table':
        return this.#takeRow(line, start);
      case 'quote':
        return this.#takeQuoted(line, start);
      case 'prose':
        return this.#takeProse(line, start);
      case 'sealed':
        return this.#takeSealed(line, start);
    }
  }

  #begin(line: string, start: number): void {
    if (lines.isBlank(line)) return;
    const open = (this.#open = fresh(start));
    open.fence = lines.readFence(line);
    if (open.fence) open.shape = 'fence';
    else if (lines.isHeading(line) || lines.isRule(line)) {
      open.shape = 'prose';
      this.#close(this.#at);
    } else if (lines.isBullet(line)) {
      open.shape = 'list';
      open.parts = [start];
      this.#items = new ItemTracker(line);
    } else if (lines.isQuoted(line)) {
      open.shape = 'quote';
      this.#certain = true;
    } else if (lines.isIndented(line)) open.shape = 'indented';
    else {
      open.shape = 'prose';
      this.#certain = !lines.isDefinition(line) && !lines.isUnderline(line);
      this.#watchFormula(line);
    }
  }

  #takeProse(line: string, start: number): void {
    if (this.#formula && this.#takeFormula(line)) return;
    if (lines.isBlank(line)) return lines.isEmpty(line) || this.#certain ? this.#close(this.#at) : this.#seal();
    if (lines.isIndented(line)) return this.#certain ? undefined : this.#seal();
    if (lines.isLongUnderline(line)) return this.#close(this.#at);
    if (lines.startsAnew(line) || lines.interruptsParagraph(line)) return this.#restart(line, start);
    if (lines.isDelimiterRow(line)) return this.#beginTable(line);
    if (lines.isUnderline(line)) {
      if (line.includes('-') && !this.#continues()) this.#seal();
      this.#certain = false;
    } else if (lines.isBullet(line) && !(this.#certain && lines.continuesParagraph(line))) this.#seal();
    else this.#watchFormula(line);
  }

  /** Whether marked, too, takes the line before for one more line of a paragraph. */
  #continues(): boolean {
    const { text } = this.#line;
    return this.#certain && !lines.isStructural(text);
  }

  /** Takes a line of a display formula; false if the formula ended without one before this line. */
  #takeFormula(line: string): boolean {
    const formula = this.#formula!;
    const blank = lines.isBlank(line);
    const end = line.indexOf(formula.closer);
    if (!blank && end < 0) {
      formula.structural ||= lines.isStructural(line);
      formula.empty = false;
      return true;
    }
    this.#formula = null;
    const empty = formula.empty && !line.slice(0, end).trim();
    const ends = !blank && !empty && !line.slice(end + formula.closer.length).trim();
    if (!ends && formula.structural) this.#seal();
    else if (!ends) this.#watchFormula(line);
    return !blank || this.#open.shape === 'sealed';
  }

  #watchFormula(line: string): void {
    if (!hasDisplayStart(line)) return;
    this.#certain = false;
    const closer = unclosedFormula(line);
    const empty = line.trim().length === 2;
    this.#formula = closer ? { closer, empty, structural: false } : null;
  }

  #beginTable(line: string): void {
    const head = this.#line;
    const plainHead = /^ {0,3}[^\s\d*+\-<>#`~=[$\\]/.test(head.text);
    if (!this.#certain || !plainHead || !line.includes('|')) return this.#seal();
    if (lexBlocks(`${head.text}\n${line}`).tokens[0]?.type !== 'table') {
      if (lines.isBullet(line)) this.#seal();
      this.#certain = false;
      return;
    }
    if (head.start > this.#open.start) this.#close(head.start);
    this.#open = { ...fresh(head.start), shape: 'table' };
  }

  #takeRow(line: string, start: number): void {
    if (lines.isEmpty(line)) return this.#close(this.#at);
    if (lines.isBlank(line) || lines.isIndented(line) || lines.mayBeHtml(line)) return this.#seal();
    const ends = lines.startsAnew(line) || lines.isRule(line) || /^ {0,3}(?:[*+-]|1[.)])[ \t]/.test(line);
    if (ends) return this.#restart(line, start);
    this.#open.parts.push(start);
  }

  #takeQuoted(line: string, start: number): void {
    if (lines.isQuoted(line)) return;
    if (lines.isBlank(line)) return this.#certain ? this.#close(this.#at) : this.#closeOrSeal(line);
    if (lines.startsAnew(line) || lines.interruptsParagraph(line)) return this.#restart(line, start);
    if (lines.isRule(line) || lines.isBullet(line)) {
      return this.#certain ? this.#restart(line, start) : this.#seal();
    }
    if (lines.isIndented(line) || hasDisplayStart(line)) return this.#seal();
    this.#certain = false;
  }

  /** Past a size, cuts a sealed segment where most texts would allow it: better than to stop reading. */
  #takeSealed(line: string, start: number): void {
    this.#fence = lines.nextFence(this.#fence, line);
    const plain = lines.isBlank(this.#line.text) && /^[^\s\-*+>\d`~]/.test(line);
    if (plain && !this.#fence && start - this.#open.start > longestSealed) this.#restart(line, start);
  }

  #closeOrSeal(line: string): void {
    if (lines.isEmpty(line)) this.#close(this.#at);
    else this.#seal();
  }

  #takeItem(line: string, start: number): void {
    const step = this.#items!.take(line);
    if (step === 'item') this.#open.parts.push(start);
    else if (step === 'end') this.#restart(line, start);
    else if (step === 'unsure') this.#seal();
  }

  #seal(): void {
    this.#open.shape = 'sealed';
    this.#open.parts = [];
    this.#fence = null;
  }

  #close(end: number): void {
    this.#closed.push({ ...this.#open, end });
    this.#open = fresh(end);
    this.#formula = null;
    this.#items = null;
  }

  #restart(line: string, start: number): void {
    this.#close(start);
    this.#begin(line, start);
  }
}
