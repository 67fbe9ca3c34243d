/**
 * The loaded part of the session list, as a value.
 *
 * Owns how pages join, how a change of one session joins them, and what is laid over them while the
 * server has not answered yet. Rows of the server and what a person just did are kept apart, so that
 * taking an optimistic change back is dropping it, and a page that comes meanwhile cannot undo it.
 */
import type { SessionList } from '../../api/sessions';
import type { SessionSummary } from '../../wire/types';

/** A change that is shown and not yet known to be stored. */
export type Overlay =
  | { kind: 'changed'; id: string; change: Partial<SessionSummary> }
  | { kind: 'gone'; id: string }
  | { kind: 'added'; id: string; summary: SessionSummary };

/**
 * The list with its first page fetched anew. Rows behind the page stay if the page reaches them; if
 * more happened than one page holds, they are loaded again as they are scrolled to.
 */
export function withFirstPage(held: SessionList | undefined, page: SessionList): SessionList {
  const last = page.sessions.at(-1);
  if (held === undefined || last === undefined || page.nextCursor === null) return page;
  const fresh = new Set(page.sessions.map(({ id }) => id));
  const behind = held.sessions.filter((row) => !fresh.has(row.id) && isBehind(row, last));
  const reached = held.sessions.some((row) => fresh.has(row.id));
  if (!reached || behind.length === 0) return page;
  return { sessions: [...page.sessions, ...behind], nextCursor: held.nextCursor };
}

export function withNextPage(held: SessionList, page: SessionList): SessionList {
  const known = new Set(held.sessions.map(({ id }) => id));
  const added = page.sessions.filter(({ id }) => !known.has(id));
  return { sessions: [...held.sessions, ...added], nextCursor: page.nextCursor };
}

export function withRow(held: SessionList, row: SessionSummary): SessionList {
  return { ...held, sessions: [row, ...held.sessions.filter(({ id }) => id !== row.id)] };
}

export function withoutRow(held: SessionList, id: string): SessionList {
  const sessions = held.sessions.filter((row) => row.id !== id);
  return sessions.length === held.sessions.length ? held : { ...held, sessions };
}

export function withChange(
  held: SessionList,
  id: string,
  change: Partial<SessionSummary>,
): SessionList {
  return { ...held, sessions: held.sessions.map((row) => (row.id === id ? { ...row, ...change } : row)) };
}

/**
 * The list with what an event says of one session. A row that is not loaded joins if it belongs among
 * those that are; further down it waits to be scrolled to.
 */
export function withNews(held: SessionList, row: SessionSummary): SessionList {
  const known = held.sessions.some(({ id }) => id === row.id);
  const last = held.sessions.at(-1);
  if (known) return withChange(held, row.id, row);
  if (held.nextCursor !== null && last !== undefined && isBehind(row, last)) return held;
  return withRow(held, row);
}

/** What is shown: the rows with the overlays on them, newest activity first. */
export function shownSessions(held: SessionList, overlays: readonly Overlay[]): SessionSummary[] {
  let rows = held.sessions;
  for (const overlay of overlays) {
    if (overlay.kind === 'gone') rows = rows.filter(({ id }) => id !== overlay.id);
    else if (overlay.kind === 'changed') {
      rows = rows.map((row) => (row.id === overlay.id ? { ...row, ...overlay.change } : row));
    } else if (!rows.some(({ id }) => id === overlay.id)) rows = [overlay.summary, ...rows];
  }
  return [...rows].sort(newestFirst);
}

function newestFirst(a: SessionSummary, b: SessionSummary): number {
  return b.lastActivity - a.lastActivity || (a.id < b.id ? 1 : -1);
}

function isBehind(row: SessionSummary, last: SessionSummary): boolean {
  return newestFirst(last, row) < 0;
}
