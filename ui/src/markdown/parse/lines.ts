/**
 * What one line of markdown can begin or end, in marked's own terms.
 *
 * The patterns repeat those of marked 18's block rules, line by line, so that the scanner cuts only
 * where marked would stop as well; `document.test.ts` holds the two together.
 */

import { hasDisplayStart } from './formula';

export const isEmpty = (line: string) => /^ *$/.test(line);
export const isBlank = (line: string) => /^[ \t]*$/.test(line);
export const isIndented = (line: string) => /^(?: {4}| {0,3}\t)/.test(line);
export const isQuoted = (line: string) => /^ {0,3}>/.test(line);
export const isHeading = (line: string) => /^ {0,3}#{1,6}(?:\s|$)/.test(line);
export const isRule = (line: string) =>
  /^ {0,3}(?:(?:-[\t ]*){3,}|(?:_[ \t]*){3,}|(?:\*[ \t]*){3,})$/.test(line);
export const isUnderline = (line: string) => /^ {0,3}(?:=+|-+)[ \t]*$/.test(line);
export const isLongUnderline = (line: string) => /^ {0,3}-{3,}[ \t]*$/.test(line);
export const isBullet = (line: string) => /^ {0,3}(?:[*+-]|\d{1,9}[.)])(?:[ \t]|$)/.test(line);
export const isDelimiterRow = (line: string) =>
  /^ {0,3}(?:\| *)?:?-+:? *(?:\| *:?-+:? *)*(?:\| *)?$/.test(line) && /[:|]/.test(line);
export const isDefinition = (line: string) => /^ {0,3}\[[^\n]*\]:/.test(line);
export const mayBeHtml = (line: string) => /^ {0,3}<[a-z!?/]/i.test(line);

/** A bullet that ends a paragraph before it: marked asks for text, and for 1 if it is a number. */
export const interruptsParagraph = (line: string) =>
  /^ {0,3}(?:[*+-]|1[.)]) [ \t]*[^ \t]/.test(line) && !/^[\s|:*+-]*$/.test(line);

/** A number other than 1 is no bullet within a paragraph. */
export const continuesParagraph = (line: string) => /^ {0,3}(?!1[.)])\d{1,9}[.)]/.test(line);

/** A line that could start another block if the text before it turned out not to be a formula. */
export const isStructural = (line: string) =>
  isIndented(line) || hasDisplayStart(line) || /^ {0,3}(?:[-*+>#`~|=_<[]|\d{1,9}[.)])/.test(line);

export interface Fence {
  mark: string;
  indent: number;
  info: string;
}

export function readFence(line: string): Fence | null {
  const match = /^( {0,3})(`{3,}(?=[^`]*$)|~{3,})([^\n]*)$/.exec(line);
  return match ? { mark: match[2]!, indent: match[1]!.length, info: match[3]!.trim() } : null;
}

export function closesFence(line: string, fence: Fence): boolean {
  const match = /^ {0,3}(`+|~+) *$/.exec(line);
  return !!match && match[1]![0] === fence.mark[0] && match[1]!.length >= fence.mark.length;
}

/** Replaces the tabs of leading white space by spaces, counting columns from `column`. */
export function expandIndent(line: string, column = 0): string {
  if (!/^ *\t/.test(line)) return line;
  return line.replace(/^[ \t]+/, (indent) => {
    let width = column;
    for (const character of indent) width += character === '\t' ? 4 - (width % 4) : 1;
    return ' '.repeat(width - column);
  });
}

/** Whether a line of `text` has more than `most` characters. */
export function hasLongLine(text: string, most: number): boolean {
  for (let at = 0; text.length - at > most; ) {
    const end = text.indexOf('\n', at);
    if (end < 0 || end - at > most) return true;
    at = end + 1;
  }
  return false;
}

/** A line that ends a paragraph, a quote and a table alike, whatever came before. */
export function startsAnew(line: string): boolean {
  if (readFence(line) || isHeading(line) || isQuoted(line)) return true;
  return isRule(line) && !isLongUnderline(line);
}

/** The fence open after `line`, when marks of lists and quotes before it are not heeded. */
export function nextFence(open: Fence | null, line: string): Fence | null {
  const text = line.replace(/^\s*(?:(?:[-*+>]|\d{1,9}[.)])\s+)*/, '');
  return open && closesFence(text, open) ? null : (open ?? readFence(text));
}
