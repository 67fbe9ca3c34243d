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
  `${lead}(?:[-=]+|[*_+]{1,3}|\\d{1,9}[.)]?|#{1,6}|>|\\||\\[[ xX]?\\]?|(?:\`{1,2}|~{1,2}))?[ \\t]*$`,
);
const halfFence = new RegExp(`${lead}(?:\`{3,}[^\`]*|~{3,}.*)$`);

/** How much of `source` can be drawn already; the rest is the beginning of a mark. */
export function settledLength(source: string, open: Readonly<Segment>): number {
  const start = Math.max(source.lastIndexOf('\n') + 1, open.start);
  const line = source.slice(start);
  if (!line) return source.length;
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
  const rows = text.split('\n');
  const last = rows.length - 1;
  const isHead = (at: number) =>
    rowStart.test(rows[at] ?? '') && !rowStart.test(rows[at - 1] ?? '') && /[^\s|:-]/.test(rows[at]!);
  const head = isHead(last) ? last : isHead(last - 1) && isHalfDelimiter(rows, last) ? last - 1 : -1;
  if (head < 0 || /^\s*(?:`{3}|~{3})/m.test(text)) return text;
  const indent = /^[ \t]*/.exec(rows[head]!)![0];
  return [...rows.slice(0, head + 1), `${indent}|${'---|'.repeat(columns(rows[head]!))}`].join('\n');
}

function isHalfDelimiter(rows: readonly string[], at: number): boolean {
  const row = rows[at]!;
  return row === '' || (halfDelimiter.test(row) && columns(row) <= columns(rows[at - 1]!));
}

function columns(row: string): number {
  const cells = row.trim().replace(/^\|/, '').replace(/\|$/, '');
  return cells.replace(/\\\|/g, '').split('|').length;
}
