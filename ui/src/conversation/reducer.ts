/**
 * One session's state after one event: pure, total, and the only place where events become state.
 *
 * Promises: the same state when an event adds nothing; rows of one epoch only; a log without holes,
 * because a message that comes too early is refused and asked for again; and that a state which
 * missed, repeated or reordered events ends equal to one that did not, once what it `wants` is given.
 */
import type { ConversationEvent, MessageReceived, SessionUpdated, Subscribed } from '../wire/events';
import type { Message } from '../wire/types';
import { reducePage, settleLeaf, type PageEvent } from './pages';
import { wantHistory, wantReplay, type ConversationState } from './state';
import { delta, turnAsked, turnClosed, turnEnded, turnsResumed, turnsSettled, turnStarted } from './turns';

export function reduce(
  state: ConversationState,
  event: ConversationEvent | PageEvent,
): ConversationState {
  switch (event.type) {
    case 'subscribed':
      return subscribed(state, event);
    case 'sync:caught_up':
      return caughtUp(state, event.seq);
    case 'message:received':
      return received(state, event);
    case 'turn:started':
      return state.epoch === null ? state : turnStarted(state, event);
    case 'message:delta':
      return state.epoch === null ? state : delta(state, event);
    case 'turn:ended':
      return turnEnded(state, event);
    case 'session:created':
      return state.phase === 'missing' ? { ...state, wants: 'history' } : state;
    case 'session:updated':
      return updated(state, event);
    case 'session:deleted':
      return { ...state, phase: 'missing', error: null, live: [], line: 'off', wants: 'nothing' };
    case 'sync:lagged':
      return wantReplay({ ...state, line: 'off' });
    default:
      return reducePage(state, event);
  }
}

function subscribed(state: ConversationState, event: Subscribed): ConversationState {
  const fresh = state.epoch === null && state.rows.length === 0 && state.wants !== 'history';
  if (!event.recovered || (!fresh && event.epoch !== state.epoch)) return wantHistory(state);
  const next: ConversationState = {
    ...state,
    epoch: event.epoch,
    line: 'asked',
    announced: { leafSeq: event.leafSeq, head: event.head },
  };
  return settleLeaf(turnsResumed(next, event.activeTurns));
}

function caughtUp(state: ConversationState, seq: number): ConversationState {
  if (state.epoch === null) return state;
  const settled = turnsSettled({ ...state, phase: 'ready', error: null, line: 'live', stale: false });
  return seq > settled.head ? wantReplay(settled) : settled;
}

function received(state: ConversationState, { epoch, message }: MessageReceived): ConversationState {
  if (state.epoch === null) return state;
  if (epoch !== state.epoch) return wantHistory(state);
  if (message.seq > state.head + 1) return wantReplay(state);
  if (message.seq <= state.head) return state;
  const next: ConversationState = {
    ...state,
    rows: [...state.rows, message],
    head: message.seq,
    leafSeq: movesLeaf(state, message) ? message.seq : state.leafSeq,
  };
  if (message.role === 'user') return settleLeaf(turnAsked(next, message));
  return settleLeaf(message.status === undefined ? next : turnClosed(next, message));
}

/** A question moves the leaf; an answer does too, unless another branch was chosen meanwhile. */
function movesLeaf(state: ConversationState, { role, parentSeq }: Message): boolean {
  return role === 'user' || parentSeq === state.leafSeq;
}

function updated(state: ConversationState, { summary }: SessionUpdated): ConversationState {
  if (state.phase === 'missing') return { ...state, wants: 'history' };
  if (state.epoch === null) return state;
  if (summary.epoch !== '' && summary.epoch !== state.epoch) return wantHistory(state);
  const { headSeq: head, leafSeq } = summary;
  if (head < Math.max(state.head, state.announced?.head ?? 0)) return state;
  if (head === state.head && leafSeq === state.leafSeq) return state;
  return settleLeaf({ ...state, announced: { leafSeq, head } });
}
