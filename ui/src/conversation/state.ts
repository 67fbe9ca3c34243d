/**
 * What the page knows of one session, as a value.
 *
 * Owns the shape that the reducer folds events into. `head` is the cursor: every message up to it is
 * accounted for, though only those near the active branch's end are held in `rows`. Owns no view:
 * how this looks is computed in `view.ts`.
 */
import type { Message, WireError } from '../wire/types';

export interface LiveAnswer {
  turnId: string;
  attempt: number;
  inReplyTo: number;
  text: string;
  reasoning: string;
  status: 'queued' | 'running' | 'ended';
  /** False while a new subscription has not yet said that this turn still runs. */
  confirmed: boolean;
}

export interface ConversationState {
  sessionId: string;
  phase: 'loading' | 'ready' | 'missing' | 'error';
  error: WireError | null;
  epoch: string | null;
  head: number;
  leafSeq: number;
  /** A leaf that the server named together with the head it held then; taken once we are there. */
  announced: { leafSeq: number; head: number } | null;
  /** Ascending by `seq`, each once. */
  rows: readonly Message[];
  live: readonly LiveAnswer[];
  /** The message above which the server said that there is nothing; 0 if it has not said so. */
  topSeq: number;
  loadingOlder: boolean;
  /** What is shown may be older than what the server holds. */
  stale: boolean;
  /** `asked`: a subscription is on its way; `live`: it has caught up. */
  line: 'off' | 'asked' | 'live';
  /** Turns that the server says it does not have, so that retrying them is of no use. */
  unknownTurns: readonly string[];
  /** What the engine must fetch: the log after `head`, or the newest page anew. */
  wants: 'nothing' | 'replay' | 'history';
}

export function emptyConversation(sessionId: string): ConversationState {
  return {
    sessionId,
    phase: 'loading',
    error: null,
    epoch: null,
    head: 0,
    leafSeq: 0,
    announced: null,
    rows: [],
    live: [],
    topSeq: 0,
    loadingOlder: false,
    stale: false,
    line: 'off',
    unknownTurns: [],
    wants: 'nothing',
  };
}

/** Asks for a replay of the log after `head`, unless more than that is already under way. */
export function wantReplay(state: ConversationState): ConversationState {
  if (state.wants !== 'nothing' || state.line === 'asked') return state;
  return { ...state, wants: 'replay' };
}

/** Gives up the cursor: what is held stays on screen, marked, until a page replaces it. */
export function wantHistory(state: ConversationState): ConversationState {
  if (state.wants === 'history' && state.epoch === null) return state;
  return {
    ...state,
    epoch: null,
    head: 0,
    announced: null,
    live: [],
    stale: state.rows.length > 0,
    line: 'off',
    wants: 'history',
  };
}
