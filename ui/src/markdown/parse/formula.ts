/**
 * Where a formula starts and ends in markdown: `$…$`, `$$…$$`, `\(…\)`, `\[…\]`.
 *
 * Owns only the syntax; drawing is in `math/`. The rules lean towards prose: a dollar sign before
 * a number is money unless the other end reads like mathematics (pandoc's rule and a little more),
 * a formula never crosses a blank line, and one within a line is at most `longestFormula` long.
 */
import type { TokenizerExtensionFunction, TokenizerStartFunction, Tokens } from 'marked';

export interface Formula {
  raw: string;
  tex: string;
  display: boolean;
  open: boolean;
}

export interface FormulaToken extends Tokens.Generic, Formula {
  type: 'formula';
}

const longestFormula = 8_192;

const closers: Record<string, string> = { '$$': '$$', '\\[': '\\]', '\\(': '\\)' };
const displayStart = /^ {0,3}(\$\$|\\\[)/;
const blankLine = /\n[ \t]*(?:\n|$)/;
const restOfLine = /^[ \t]*(?=\n|$)/;
/** What makes a dollar sign beside it part of a word; scripts without spaces do not. */
const wordCharacter = /[\p{Script=Latin}\p{Nd}]/u;
const money = /^[\d.,]+(?:\s+|[/–—-])\p{L}{2}/u;

/** Whether a line of `text` could start a display formula. */
export function hasDisplayStart(text: string): boolean {
  return /^ {0,3}(?:\$\$|\\\[)/m.test(text);
}

/** The mark that would end the display formula which this line opens and does not end, or null. */
export function unclosedFormula(line: string): string | null {
  const opener = displayStart.exec(line);
  const closer = opener && closers[opener[1]!];
  return opener && closer && !line.includes(closer, opener[0].length) ? closer : null;
}

/**
 * A display formula that fills whole lines from the start of `src`, or null. With `live`, one that
 * is not closed yet counts as open instead of as text.
 */
export function readDisplay(src: string, live: boolean): Formula | null {
  const opener = displayStart.exec(src);
  const closer = opener && closers[opener[1]!];
  if (!opener || !closer) return null;
  const paragraph = src.slice(0, blankLine.exec(src)?.index ?? src.length);
  const from = opener[0].length;
  const to = paragraph.indexOf(closer, from);
  if (to < 0) {
    if (!live || paragraph.length < src.trimEnd().length) return null;
    return { raw: src, tex: src.slice(from).replace(/[$\\]$/, '').trim(), display: true, open: true };
  }
  const after = restOfLine.exec(paragraph.slice(to + closer.length));
  const tex = paragraph.slice(from, to).trim();
  if (!after || !tex) return null;
  const raw = paragraph.slice(0, to + closer.length + after[0].length);
  return { raw, tex, display: true, open: false };
}

/** A formula within a line, at the start of `src`; `before` is the character in front of it. */
export function readInline(src: string, before: string): Formula | null {
  const two = src.slice(0, 2);
  const closer = closers[two];
  if (closer) {
    const to = src.indexOf(closer, 2);
    const tex = src.slice(2, to).trim();
    if (to < 0 || !tex || tex.length > longestFormula) return null;
    return { raw: src.slice(0, to + 2), tex, display: two !== '\\(', open: false };
  }
  if (src[0] !== '$' || wordCharacter.test(before) || before === '\\') return null;
  const match = /^\$(?![\s$])((?:\\[^\n]|[^\\$\n`])+?)\$/.exec(src);
  const tex = match?.[1];
  if (!match || !tex || /\s$/.test(tex) || money.test(tex)) return null;
  if (wordCharacter.test(src[match[0].length] ?? '') || tex.length > longestFormula) return null;
  return { raw: match[0], tex, display: false, open: false };
}

function token(formula: Formula | null): FormulaToken | undefined {
  return formula ? { type: 'formula', ...formula } : undefined;
}

/** Stands in for formulas while marked looks for emphasis, so that `_` and `*` in them are none. */
export function maskFormulas(src: string): string {
  return src.replace(
    /\\\((?:(?!\\\))[^\n])+\\\)|\$\$[^$]+\$\$|\$(?![\s$])(?:\\[^\n]|[^\\$\n`])+?\$/g,
    (raw, at: number) =>
      readInline(src.slice(at), src[at - 1] ?? '')?.raw === raw ? `[${'a'.repeat(raw.length - 2)}]` : raw,
  );
}

export const startOfDisplay: TokenizerStartFunction = (src) => {
  const at = src.search(/\n {0,3}(?:\$\$|\\\[)/);
  return at < 0 ? undefined : at + 1;
};

export const startOfInline: TokenizerStartFunction = (src) => {
  const at = src.indexOf('$');
  return at < 0 ? undefined : at;
};

export const displayTokenizer: TokenizerExtensionFunction = (src) => token(readDisplay(src, false));

export const liveDisplayTokenizer: TokenizerExtensionFunction = (src) => token(readDisplay(src, true));

export const inlineTokenizer: TokenizerExtensionFunction = (src, tokens) => {
  const first = src[0];
  if (first !== '$' && first !== '\\') return undefined;
  return token(readInline(src, tokens.at(-1)?.raw.at(-1) ?? ''));
};
