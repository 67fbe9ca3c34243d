/**
 * The order in which a branch is read.
 *
 * The log is in order of arrival, so a message that was queued while an answer ran stands before
 * that answer there. People read each question followed by the answers of its own turn and then by
 * the one being written. The server's `conversation_order` is the same rule.
 */
import type { Message } from '../wire/types';
import type { LiveAnswer } from './state';

export type Entry = { kind: 'row'; message: Message } | { kind: 'live'; turnId: string };

/**
 * A new attempt stands in the place of the answer that it repeats. An answer to a question of another
 * branch is not shown; one whose question is not loaded stands above what is.
 */
export function inReadingOrder(path: readonly Message[], live: readonly LiveAnswer[]): Entry[] {
  const answers = answersOfTurns(path);
  const entries: Entry[] = [];
  const placed = new Set<LiveAnswer>();
  for (const row of path) {
    const { turnId } = row;
    if (row.role === 'user') {
      entries.push({ kind: 'row', message: row });
      const running = live.find((answer) => answer.turnId === turnId || answer.inReplyTo === row.seq);
      for (const message of answers.get(turnId ?? '') ?? []) {
        if (running !== undefined && (message.attempt ?? 1) < running.attempt) continue;
        entries.push({ kind: 'row', message });
      }
      if (running === undefined) continue;
      entries.push(liveEntry(running));
      placed.add(running);
    } else if (turnId === undefined || !answers.has(turnId)) {
      entries.push({ kind: 'row', message: row });
    }
  }
  const elsewhere = live.filter((answer) => !placed.has(answer));
  const unknown = elsewhere.filter(({ inReplyTo }) => inReplyTo === 0);
  const above = elsewhere.filter(({ inReplyTo }) => inReplyTo !== 0 && isAbove(inReplyTo, path));
  return [...above.map(liveEntry), ...entries, ...unknown.map(liveEntry)];
}

const liveEntry = ({ turnId }: LiveAnswer): Entry => ({ kind: 'live', turnId });

/** Whether a question may stand on the part of the branch that is not loaded. */
function isAbove(inReplyTo: number, path: readonly Message[]): boolean {
  const oldest = path[0];
  return oldest !== undefined && oldest.parentSeq !== 0 && inReplyTo <= oldest.parentSeq;
}

/** For each turn whose question is on the branch, what followed it there. */
function answersOfTurns(path: readonly Message[]): Map<string, Message[]> {
  const answers = new Map<string, Message[]>();
  for (const { role, turnId } of path) {
    if (role === 'user' && turnId !== undefined) answers.set(turnId, []);
  }
  for (const row of path) {
    if (row.role !== 'user' && row.turnId !== undefined) answers.get(row.turnId)?.push(row);
  }
  return answers;
}
