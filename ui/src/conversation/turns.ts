/**
 * Answers that are being written: how deltas and turn events change them.
 *
 * A delta says where it belongs: turn, attempt, and offset in UTF-16 code units of its kind, which is
 * how JavaScript counts. So a repeated delta changes nothing, an overlapping one adds only what is
 * new, and one that starts past our end shows that something was lost. What is held is always a
 * prefix of the attempt's text.
 */
import type { MessageDelta, TurnEnded, TurnStarted } from '../wire/events';
import type { ActiveTurn, Message } from '../wire/types';
import { askedAt, isAnswered } from './rows';
import { wantReplay, type ConversationState, type LiveAnswer } from './state';

function begin(turnId: string, attempt: number, inReplyTo: number, status: 'queued' | 'running'): LiveAnswer {
  return { turnId, attempt, inReplyTo, text: '', reasoning: '', status, confirmed: true };
}

function replace(state: ConversationState, answer: LiveAnswer): ConversationState {
  const held = state.live.some((other) => other.turnId === answer.turnId);
  const live = held
    ? state.live.map((other) => (other.turnId === answer.turnId ? answer : other))
    : [...state.live, answer];
  return { ...state, live };
}

/** The attempt as held, begun anew if it is later than what is held, or null if it is over. */
function current(state: ConversationState, turnId: string, attempt: number): LiveAnswer | null {
  const held = state.live.find((answer) => answer.turnId === turnId);
  if (held !== undefined && held.attempt >= attempt) return held.attempt === attempt ? held : null;
  if (isAnswered(state.rows, turnId, attempt)) return null;
  return begin(turnId, attempt, held?.inReplyTo ?? askedAt(state.rows, turnId), 'queued');
}

export function turnStarted(
  state: ConversationState,
  { turnId, attempt, inReplyTo }: Omit<TurnStarted, 'type' | 'sessionId'>,
): ConversationState {
  const answer = current(state, turnId, attempt);
  if (answer === null || answer.status === 'ended') return state;
  if (answer.status === 'running' && answer.confirmed && answer.inReplyTo === inReplyTo) return state;
  return replace(state, { ...answer, inReplyTo: inReplyTo || answer.inReplyTo, status: 'running', confirmed: true });
}

/** A stored question is waiting for its answer until the turn says that it has started. */
export function turnAsked(state: ConversationState, message: Message): ConversationState {
  const { turnId, seq } = message;
  if (turnId === undefined) return state;
  const held = state.live.find((answer) => answer.turnId === turnId);
  if (held !== undefined) {
    const known = held.inReplyTo === seq && held.confirmed;
    return known ? state : replace(state, { ...held, inReplyTo: seq, confirmed: true });
  }
  if (isAnswered(state.rows, turnId, 1)) return state;
  return { ...state, live: [...state.live, begin(turnId, 1, seq, 'queued')] };
}

/** A person asked for another attempt, which the server will soon say has started. */
export function retryAsked(state: ConversationState, turnId: string): ConversationState {
  const last = state.rows.findLast((row) => row.turnId === turnId && row.status !== undefined);
  if (last === undefined || state.live.some((answer) => answer.turnId === turnId)) return state;
  const next = begin(turnId, (last.attempt ?? 1) + 1, askedAt(state.rows, turnId), 'queued');
  return { ...state, live: [...state.live, next] };
}

/** The server will not have another attempt, now or, as it does not know the turn, ever. */
export function retryRefused(state: ConversationState, turnId: string, unknown: boolean): ConversationState {
  const live = state.live.filter((answer) => answer.turnId !== turnId || answer.status !== 'queued');
  const unknownTurns = unknown ? [...state.unknownTurns, turnId] : state.unknownTurns;
  return live.length === state.live.length && !unknown ? state : { ...state, live, unknownTurns };
}

/** The closing message is authoritative: what was streamed of this attempt goes. */
export function turnClosed(state: ConversationState, message: Message): ConversationState {
  const attempt = message.attempt ?? Infinity;
  const live = state.live.filter((answer) => answer.turnId !== message.turnId || answer.attempt > attempt);
  return live.length === state.live.length ? state : { ...state, live };
}

export function turnEnded(state: ConversationState, { turnId, attempt }: TurnEnded): ConversationState {
  const held = state.live.find((answer) => answer.turnId === turnId && answer.attempt === attempt);
  return held === undefined || held.status === 'ended' ? state : replace(state, { ...held, status: 'ended' });
}

export function delta(state: ConversationState, event: MessageDelta): ConversationState {
  const answer = current(state, event.turnId, event.attempt);
  if (answer === null || answer.status === 'ended') return state;
  const held = event.kind === 'reasoning' ? answer.reasoning : answer.text;
  const grown = event.snapshot ? event.text : appended(held, event.off, event.text);
  if (grown === null) return wantReplay(state);
  if (grown === held && answer.status === 'running' && answer.confirmed) return state;
  const texts = event.kind === 'reasoning' ? { reasoning: grown } : { text: grown };
  return replace(state, { ...answer, ...texts, status: 'running', confirmed: true });
}

/** The text with a piece at an offset, or null if what lies between is missing. */
function appended(held: string, off: number, piece: string): string | null {
  if (off > held.length) return null;
  const known = held.length - off;
  return known >= piece.length ? held : held + piece.slice(known);
}

/** What a new subscription says of the turns; those it does not name must show that they still live. */
export function turnsResumed(state: ConversationState, active: readonly ActiveTurn[]): ConversationState {
  const live = state.live.map((answer) => (answer.confirmed ? { ...answer, confirmed: false } : answer));
  return active.reduce<ConversationState>(resumed, { ...state, live });
}

function resumed(
  state: ConversationState,
  { turnId, attempt, inReplyTo, status }: ActiveTurn,
): ConversationState {
  const answer = current(state, turnId, attempt);
  if (answer === null) return state;
  const runs = status === 'running' || answer.status === 'running';
  return replace(state, {
    ...answer,
    inReplyTo: inReplyTo || answer.inReplyTo,
    status: runs ? 'running' : 'queued',
    confirmed: true,
  });
}

/** After the replay, a turn that nothing spoke of is over. */
export function turnsSettled(state: ConversationState): ConversationState {
  const live = state.live.filter((answer) => answer.confirmed);
  return live.length === state.live.length ? state : { ...state, live };
}

/** The turns that a page names, with the text already held of them. */
export function turnsOfPage(
  state: ConversationState,
  active: readonly ActiveTurn[],
  keepOthers: boolean,
): ConversationState {
  const named = active.filter((turn) => !isAnswered(state.rows, turn.turnId, turn.attempt));
  const others = state.live.filter(
    (answer) =>
      !named.some((turn) => turn.turnId === answer.turnId) &&
      keepOthers &&
      !isAnswered(state.rows, answer.turnId, answer.attempt),
  );
  const live = named.map(({ turnId, attempt, inReplyTo, status }): LiveAnswer => {
    const held = state.live.find((answer) => answer.turnId === turnId);
    if (held === undefined || held.attempt < attempt) return begin(turnId, attempt, inReplyTo, status);
    return held.status === 'queued' && held.attempt === attempt ? { ...held, status, inReplyTo } : held;
  });
  return { ...state, live: [...live, ...others].sort((a, b) => a.inReplyTo - b.inReplyTo) };
}
