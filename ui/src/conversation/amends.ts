/**
 * What can be done about an answer that is broken or missing.
 *
 * The last answer of a branch can be retried: another attempt takes its place. One that was followed
 * can not, because a retry would put the leaf back and hide what follows; its question is asked again
 * at the end instead, as a new message. So is one whose turn the server does not know, which came
 * with an import. A question that was asked again offers it no more.
 */
import type { Message } from '../wire/types';
import type { Entry } from './order';
import type { ConversationState } from './state';

export interface Amends {
  /** The turn to retry. */
  retryTurnId: string | null;
  /** The question to ask again, by its `seq`. */
  askAgainSeq: number | null;
}

export const NO_AMENDS: Amends = { retryTurnId: null, askAgainSeq: null };

/** The messages that something can be done about; `waiting` are the sends shown after the entries. */
export function amendsOf(
  entries: readonly Entry[],
  waiting: readonly { content: string }[],
  { stale, unknownTurns }: Pick<ConversationState, 'stale' | 'unknownTurns'>,
): Map<Message, Amends> {
  const amends = new Map<Message, Amends>();
  const askedLater = new Set(waiting.map(({ content }) => content));
  for (const [index, entry] of [...entries.entries()].reverse()) {
    if (entry.kind === 'live') continue;
    const { message } = entry;
    const isLast = index === entries.length - 1 && waiting.length === 0;
    if (message.role === 'user') {
      // What is stale may have an answer, or one that runs.
      if (isLast && !stale) amends.set(message, { retryTurnId: null, askAgainSeq: message.seq });
      askedLater.add(message.content);
    } else if (isBroken(message)) {
      const { turnId } = message;
      if (isLast && turnId !== undefined && !unknownTurns.includes(turnId)) {
        amends.set(message, { retryTurnId: turnId, askAgainSeq: null });
        continue;
      }
      const question = questionOf(message, entries, index);
      if (question === null || askedLater.has(question.content)) continue;
      amends.set(message, { retryTurnId: null, askAgainSeq: question.seq });
    }
  }
  return amends;
}

function isBroken({ role, status }: Message): boolean {
  return role === 'assistant' && (status === 'failed' || status === 'interrupted' || status === 'cancelled');
}

/** The question above an answer, unless it is that of another turn: then its own is not loaded. */
function questionOf(answer: Message, entries: readonly Entry[], index: number): Message | null {
  for (let at = index - 1; at >= 0; at -= 1) {
    const entry = entries[at];
    if (entry?.kind !== 'row' || entry.message.role !== 'user') continue;
    return entry.message.turnId === answer.turnId ? entry.message : null;
  }
  return null;
}
