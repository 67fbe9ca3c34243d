/**
 * Where a session's state stands, said to the server and to the next visit.
 */
import type { HistoryPage, Subscription } from '../wire/types';
import { branch } from './rows';
import type { ConversationState } from './state';

const SAVED_MESSAGES = 50;

/** The cursor to subscribe from, with how much is held of each running answer. */
export function positionOf(state: ConversationState): Subscription {
  const running = state.live.filter((answer) => answer.status === 'running');
  const turns = running.map((answer) => [
    answer.turnId,
    { attempt: answer.attempt, off: answer.text.length },
  ]);
  const { sessionId, epoch, head } = state;
  return { sessionId, epoch, seq: head, turns: Object.fromEntries(turns) };
}

/** The newest page, for the offline store; null while there is no log to be in step with. */
export function pageOf(state: ConversationState): HistoryPage | null {
  const { sessionId, epoch, head, leafSeq, rows } = state;
  if (epoch === null) return null;
  const path = branch(rows, leafSeq);
  const messages = path.slice(-SAVED_MESSAGES);
  const hasMore = messages.length < path.length || (path[0]?.parentSeq ?? 0) !== 0;
  return { sessionId, messages, hasMore, cursor: { epoch, seq: head }, leafSeq, activeTurns: [] };
}
