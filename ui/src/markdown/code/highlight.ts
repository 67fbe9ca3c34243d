/**
 * Colours code: text and a language in, a tree of named spans out. Never HTML.
 *
 * Code is coloured piece by piece, so that growing code is not read again and again: a piece ends
 * after eight lines if the grammar is back at its beginning there, else after twice as many, and so
 * on. Where pieces end depends on the text alone, not on how it came. Of an unfinished piece, what
 * is coloured may lag behind.
 */
import type { Emitter, HLJSApi } from 'highlight.js';
import core from 'highlight.js/lib/core';
import { hasLongLine } from '../parse/lines';
import { languageById, type Language } from './languages';

export type Span = string | { scope: string; children: Span[] };

/** Some lines of code; all but the last piece end with a line's end. */
export interface Piece {
  text: string;
  spans: readonly Span[];
}

/** Code longer than this, or with a longer line, is not coloured. */
const longestCode = 60_000;
const longestLine = 4_000;
const fewestLines = 8;

const nothing: Piece = { text: '', spans: [] };

/** The tree that the highlighter builds, kept as data instead of markup. (`openNode` and `closeNode`
 * are called, too, though its types do not say so.) */
class SpanTree implements Emitter {
  readonly root: Span[] = [];
  #open: Span[][] = [this.root];

  addText(text: string): void {
    if (text) this.#open.at(-1)!.push(text);
  }

  startScope(scope: string): void {
    this.openNode(scope);
  }

  endScope(): void {
    this.closeNode();
  }

  openNode(scope: string): void {
    const children: Span[] = [];
    this.#open.at(-1)!.push({ scope: scope.split('.')[0]!, children });
    this.#open.push(children);
  }

  closeNode(): void {
    if (this.#open.length > 1) this.#open.pop();
  }

  __addSublanguage(emitter: SpanTree): void {
    this.#open.at(-1)!.push(...emitter.root);
  }

  finalize(): void {
    this.#open = [this.root];
  }

  toHTML(): string {
    return '';
  }
}

const engine: HLJSApi = core.newInstance();
engine.configure({ __emitter: SpanTree });

export function isLoaded(language: Language): boolean {
  return engine.getLanguage(language.id) !== undefined;
}

/** Loads a language's grammar, and those of the languages that it may hold. */
export async function load(language: Language): Promise<void> {
  const held = language.holds.map(languageById).filter((entry) => entry !== undefined);
  const missing = [language, ...held].filter((entry) => !isLoaded(entry));
  const grammars = await Promise.all(missing.map((entry) => entry.grammar()));
  for (const [index, entry] of missing.entries()) engine.registerLanguage(entry.id, grammars[index]!.default);
}

export function mayColour(code: string): boolean {
  return code.length <= longestCode && !hasLongLine(code, longestLine);
}

/** Reads `text` from the grammar's beginning. Code is never lost: if it would be, it stays plain. */
function read(text: string, language: Language): { spans: Span[]; complete: boolean } {
  const { _emitter, _top } = engine.highlight(text, { language: language.id, ignoreIllegals: true });
  const spans = _emitter instanceof SpanTree ? _emitter.root : [];
  const whole = lengthOf(spans) === text.length;
  return { spans: whole ? spans : [text], complete: !(_top && 'parent' in _top && _top.parent) };
}

function lengthOf(spans: readonly Span[]): number {
  return spans.reduce((sum, span) => sum + (typeof span === 'string' ? span.length : lengthOf(span.children)), 0);
}

/** Colours a code that may still grow, piece by piece. */
export class CodeReader {
  #done: Piece[] = [];
  #from = 0;
  #lines = fewestLines;
  #open: Piece = nothing;

  constructor(private readonly language: Language) {}

  /** `text` must begin with what was given before; with `live`, it may still grow. */
  read(text: string, live: boolean): readonly Piece[] {
    for (let end = this.#nextEnd(text); end > 0; end = this.#nextEnd(text)) {
      const piece = text.slice(this.#from, end);
      const { spans, complete } = read(piece, this.language);
      if (complete) this.#finish({ text: piece, spans });
      else this.#lines *= 2;
    }
    const rest = text.slice(this.#from);
    if (!rest) return this.#done;
    if (live) return [...this.#done, ...this.#readOpen(rest)];
    return [...this.#done, { text: rest, spans: read(rest, this.language).spans }];
  }

  #finish(piece: Piece): void {
    this.#done = [...this.#done, piece];
    this.#from += piece.text.length;
    this.#lines = fewestLines;
    this.#open = nothing;
  }

  /** The end of the next stretch to be read, or 0 if the text does not reach so far. */
  #nextEnd(text: string): number {
    let end = this.#from;
    for (let count = 0; count < this.#lines; count += 1) {
      end = text.indexOf('\n', end) + 1;
      if (end === 0) return 0;
    }
    return end;
  }

  #readOpen(rest: string): readonly Piece[] {
    const end = rest.lastIndexOf('\n') + 1;
    const before = this.#open.text.length;
    if (end > before && (before < 400 || end > before * 1.5)) {
      const text = rest.slice(0, end);
      this.#open = { text, spans: read(text, this.language).spans };
    }
    const plain = rest.slice(this.#open.text.length);
    return [{ text: rest, spans: plain ? [...this.#open.spans, plain] : this.#open.spans }];
  }
}
