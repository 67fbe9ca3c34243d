/**
 * The server's session calls, one function each.
 *
 * Owns paths and bodies. Promises nouns of `wire/types.ts` with times in milliseconds.
 */
import { decodeAck, decodeHistory, decodeSummary } from '../wire/decode';
import { list, record, required, text } from '../wire/fields';
import type { MessageAck } from '../wire/events';
import type { HistoryPage, SessionSummary } from '../wire/types';
import { call } from './client';

export const PAGE_OF_MESSAGES = 50;
const PAGE_OF_SESSIONS = 50;
/** Time for most of a megabyte on a slow line. */
const LARGE_BODY_WITHIN_MS = 60_000;

export interface SessionList {
  sessions: SessionSummary[];
  nextCursor: string | null;
}

const pathOf = (sessionId: string): string => `/api/sessions/${encodeURIComponent(sessionId)}`;

/** One page, newest activity first. */
export async function listSessions(cursor: string | null, signal?: AbortSignal): Promise<SessionList> {
  const query = new URLSearchParams({ limit: String(PAGE_OF_SESSIONS) });
  if (cursor !== null) query.set('cursor', cursor);
  const data = await call('GET', `/api/sessions?${query.toString()}`, { signal });
  return { sessions: list(data, 'sessions').map(decodeSummary), nextCursor: text(data, 'nextCursor') };
}

/** Makes a session under an id of ours; that it is there already is as good. */
export async function createSession(sessionId: string): Promise<SessionSummary> {
  const data = await call('POST', '/api/sessions', { body: { sessionId } });
  return decodeSummary(required(record(data, 'session'), 'session'));
}

/** The newest page; makes the session the current one. */
export async function loadSession(sessionId: string, signal?: AbortSignal): Promise<HistoryPage> {
  const data = await call('POST', `${pathOf(sessionId)}/load?limit=${PAGE_OF_MESSAGES}`, { signal });
  return decodeHistory(sessionId, data);
}

/** The page of messages that come before a `seq`. */
export async function loadOlder(
  sessionId: string,
  before: number,
  signal?: AbortSignal,
): Promise<HistoryPage> {
  const query = `limit=${PAGE_OF_MESSAGES}&before=${before}`;
  return decodeHistory(sessionId, await call('GET', `${pathOf(sessionId)}/history?${query}`, { signal }));
}

/** Stores a message as the socket's `message:sent` does: once, however often it is said. */
export async function sendMessage(
  sessionId: string,
  message: { content: string; clientMsgId: string },
): Promise<MessageAck> {
  const options = { body: message, withinMs: LARGE_BODY_WITHIN_MS };
  return decodeAck(await call('POST', `${pathOf(sessionId)}/messages`, options));
}

export async function patchSession(
  sessionId: string,
  changes: { title?: string; pinned?: boolean },
): Promise<void> {
  await call('PATCH', pathOf(sessionId), { body: changes });
}

/** Moves a session to the trash. */
export async function deleteSession(sessionId: string): Promise<void> {
  await call('DELETE', pathOf(sessionId));
}

/** Takes a session out of the trash. */
export async function restoreSession(sessionId: string): Promise<void> {
  await call('POST', `${pathOf(sessionId)}/restore`);
}
