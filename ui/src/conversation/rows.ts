/**
 * Messages in order of `seq`, and the branch that runs through them.
 *
 * Owns looking up, merging and walking the rows of one epoch. `(epoch, seq)` always names the same
 * bytes, so where two lists hold the same `seq` the object already held is kept.
 */
import type { Message } from '../wire/types';

type Rows = readonly Message[];

/** The index of the first row with at least this `seq`. */
function lowerBound(rows: Rows, seq: number): number {
  const first = rows[0];
  if (first === undefined || seq <= first.seq) return 0;
  const guess = seq - first.seq;
  if (rows[guess]?.seq === seq) return guess;
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((rows[middle]?.seq ?? Infinity) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function rowAt(rows: Rows, seq: number): Message | null {
  const row = rows[lowerBound(rows, seq)];
  return row !== undefined && row.seq === seq ? row : null;
}

/** Both lists in order, each `seq` once; the same list when nothing is new. */
export function mergeRows(held: Rows, added: Rows): Rows {
  const fresh = added.filter((row) => rowAt(held, row.seq) === null);
  const first = fresh[0];
  const last = fresh.at(-1);
  if (first === undefined || last === undefined) return held;
  if (held.length === 0 || first.seq > (held.at(-1)?.seq ?? 0)) return [...held, ...fresh];
  if (last.seq < (held[0]?.seq ?? Infinity)) return [...fresh, ...held];
  return [...held, ...fresh].sort((a, b) => a.seq - b.seq);
}

/** A page as the new rows, with the objects already held where they are the same messages. */
export function adoptRows(held: Rows, page: Rows): Rows {
  return page.map((row) => rowAt(held, row.seq) ?? row);
}

/** Whether the oldest message of a page meets the rows held, so that no hole would show. */
export function connects(held: Rows, page: Rows): boolean {
  const oldest = page[0];
  if (oldest === undefined) return false;
  return rowAt(held, oldest.seq) !== null || rowAt(held, oldest.parentSeq) !== null;
}

/** The branch from its oldest held message to the leaf. */
export function branch(rows: Rows, leafSeq: number): Message[] {
  const path: Message[] = [];
  for (let row = rowAt(rows, leafSeq); row !== null; row = rowAt(rows, row.parentSeq)) {
    path.push(row);
    if (row.parentSeq >= row.seq) break;
  }
  return path.reverse();
}

/** Whether the branch goes on above its oldest held message. */
export function goesOn(path: Rows, topSeq: number): boolean {
  const oldest = path[0];
  return oldest !== undefined && oldest.parentSeq !== 0 && oldest.seq !== topSeq;
}

/** The user message that opened a turn; 0 if it is not held. */
export function askedAt(rows: Rows, turnId: string): number {
  return rows.findLast((row) => row.turnId === turnId && row.role === 'user')?.seq ?? 0;
}

/** Whether the log holds the end of this attempt, or of a later one. */
export function isAnswered(rows: Rows, turnId: string, attempt: number): boolean {
  return rows.some(
    (row) => row.turnId === turnId && row.status !== undefined && (row.attempt ?? 1) >= attempt,
  );
}
