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

/** A new attempt stands in the place of the answer that it repeats. */
export function inReadingOrder(path: readonly Message[], live: readonly LiveAnswer[]): Entry[] {
  const answers = answersOfTurns(path);
  const entries: Entry[] = [];
  const placed = new Set<string>();
  for (const row of path) {
    const { turnId } = row;
    if (row.role === 'user') {
      entries.push({ kind: 'row', message: row });
      if (turnId === undefined) continue;
      const running = live.find((answer) => answer.turnId === turnId);
      for (const message of answers.get(turnId) ?? []) {
        if (running !== undefined && (message.attempt ?? 1) < running.attempt) continue;
        entries.push({ kind: 'row', message });
      }
      if (running !== undefined) entries.push({ kind: 'live', turnId });
      placed.add(turnId);
    } else if (turnId === undefined || !answers.has(turnId)) {
      entries.push({ kind: 'row', message: row });
    }
  }
  for (const { turnId } of live) {
    if (!placed.has(turnId)) entries.push({ kind: 'live', turnId });
  }
  return entries;
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
