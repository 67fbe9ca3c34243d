/**
 * What is drawn of a text's end while it is still being written.
 *
 * A half-written mark (a lone `-`, half a fence, half a table) would be drawn as something that it
 * is not, and jump when the rest comes. It is held back, or completed in the likely way. Used only
 * while a text grows; the finished text is read as it stands.
 */
import type { Segment } from './scanner';

const lead = String.raw`^(?:[ \t]*>)*[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*`;
const barePrefix = new RegExp(
  `${lead}(?:[-=]+|[*_+]{1,3}|\\d{1,9}[.)]?|#{1,6}|>|\\||\\[[ xX]?\\]?|(?:\`{1,2}|~{1,2})|\\$|\\\\)?[ \\t]*$`,
);
const halfFence = new RegExp(`${lead}(?:\`{3,}[^\`]*|~{3,}.*)$`);

/** No beginning of a mark is longer. */
const longestMark = 200;

/** How much of `source` can be drawn already; the rest is the beginning of a mark. */
export function settledLength(source: string, open: Readonly<Segment>): number {
  const start = Math.max(source.lastIndexOf('\n') + 1, open.start);
  const line = source.slice(start);
  if (!line || line.length > longestMark) return source.length;
  if (open.fence && start > open.start) {
    const mark = /^ {0,3}(`+|~+)$/.exec(line)?.[1];
    const half = mark && mark[0] === open.fence.mark[0] && mark.length < open.fence.mark.length;
    return half ? start : source.length;
  }
  return barePrefix.test(line) || halfFence.test(line) ? start : source.length;
}

const rowStart = /^[ \t]*\|/;
const halfDelimiter = /^[ \t]*\|[ \t:|-]*$/;

/** Gives the head of a table its delimiter row before that is written, so that it never is prose. */
export function settle(text: string): string {
  const start = (end: number) => (end < 0 ? -1 : text.lastIndexOf('\n', end - 1) + 1);
  const last = start(text.length);
  const before = start(last - 1);
  const tail = text.slice(last);
  const head = before < 0 ? '' : text.slice(before, last - 1);
  const earlier = before > 0 ? text.slice(start(before - 1), before - 1) : '';
  if (isHead(tail, head)) return withDelimiter(text, tail, text.length);
  if (isHead(head, earlier) && isHalfDelimiter(tail, head)) return withDelimiter(text, head, last - 1);
  return text;
}

function isHead(line: string, before: string): boolean {
  return rowStart.test(line) && !rowStart.test(before) && /[^\s|:-]/.test(line);
}

function isHalfDelimiter(line: string, head: string): boolean {
  return line === '' || (halfDelimiter.test(line) && columns(line) <= columns(head));
}

function withDelimiter(text: string, head: string, end: number): string {
  if (/^\s*(?:`{3}|~{3})/m.test(text)) return text;
  const indent = /^[ \t]*/.exec(head)![0];
  return `${text.slice(0, end)}\n${indent}|${'---|'.repeat(columns(head))}`;
}

function columns(row: string): number {
  const cells = row.trim().replace(/^\|/, '').replace(/\|$/, '');
  return cells.replace(/\\\|/g, '').split('|').length;
}
