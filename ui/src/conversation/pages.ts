/**
 * Pages of history: how what REST or the offline store gave joins what is held.
 *
 * The newest page replaces the rows unless it meets them, in which case older pages that were loaded
 * stay and the reader's place does not move. A page of another epoch always replaces.
 */
import type { HistoryPage, WireError } from '../wire/types';
import { adoptRows, branch, connects, mergeRows, rowAt } from './rows';
import { wantHistory, type ConversationState } from './state';
import { retryAsked, retryRefused, turnsOfPage } from './turns';

/** What the page's own code tells a conversation, next to the server's events. */
export type PageEvent =
  /** A session that was made here and now: there is nothing to load. */
  | { type: 'history:fresh' }
  | { type: 'history:cached'; page: HistoryPage }
  | { type: 'history:newest'; page: HistoryPage }
  | { type: 'history:older'; page: HistoryPage }
  /** `anew`: a person asked, so the screen starts over; otherwise an error stays until it is mended. */
  | { type: 'history:loading'; what: 'newest' | 'older'; anew?: boolean }
  | { type: 'history:failed'; what: 'newest' | 'older'; error: WireError; missing: boolean }
  /** A subscription from our cursor is on its way, or was given up. */
  | { type: 'line:asked' }
  | { type: 'line:off' }
  | { type: 'retry:asked'; turnId: string }
  | { type: 'retry:refused'; turnId: string; unknown: boolean };

export function reducePage(state: ConversationState, event: PageEvent): ConversationState {
  switch (event.type) {
    case 'history:fresh':
      return { ...state, phase: 'ready', error: null };
    case 'history:cached':
      return state.rows.length === 0 && (state.phase === 'loading' || state.phase === 'error')
        ? { ...newest(state, event.page), live: [], stale: true }
        : state;
    case 'history:newest':
      return newest(state, event.page);
    case 'history:older':
      return older(state, event.page);
    case 'history:loading':
      return event.what === 'older'
        ? { ...state, loadingOlder: true }
        : loadingNewest(state, event.anew === true);
    case 'history:failed':
      return failed(state, event.what, event.error, event.missing);
    case 'line:asked':
      return { ...state, line: 'asked', wants: state.wants === 'replay' ? 'nothing' : state.wants };
    case 'line:off':
      return state.line === 'off' ? state : { ...state, line: 'off' };
    case 'retry:asked':
      return retryAsked(state, event.turnId);
    case 'retry:refused':
      return retryRefused(state, event.turnId, event.unknown);
  }
}

function newest(state: ConversationState, page: HistoryPage): ConversationState {
  const sameEpoch = state.epoch === page.cursor.epoch;
  const joined = sameEpoch && meets(state, page);
  const rows = joined ? mergeRows(state.rows, page.messages) : adoptRows(sameEpoch ? state.rows : [], page.messages);
  const next: ConversationState = {
    ...state,
    phase: 'ready',
    error: null,
    epoch: page.cursor.epoch,
    head: joined ? Math.max(state.head, page.cursor.seq) : page.cursor.seq,
    leafSeq: joined ? state.leafSeq : page.leafSeq,
    announced: { leafSeq: page.leafSeq, head: page.cursor.seq },
    rows,
    topSeq: topOf(page) || (joined ? state.topSeq : 0),
    stale: false,
    line: sameEpoch || state.epoch === null ? state.line : 'off',
    wants: state.wants === 'history' ? 'nothing' : state.wants,
  };
  return settleLeaf(turnsOfPage(next, page.activeTurns, sameEpoch && state.line === 'live'));
}

/** Whether what is held and the page are one stretch; an empty page says nothing against what we have. */
function meets(state: ConversationState, page: HistoryPage): boolean {
  if (page.messages.length === 0) return page.cursor.seq <= state.head;
  return connects(state.rows, page.messages);
}

/** The oldest message of a page above which there is nothing; 0 if there is more. */
function topOf({ hasMore, messages }: HistoryPage): number {
  return hasMore ? 0 : (messages[0]?.seq ?? 0);
}

function older(state: ConversationState, page: HistoryPage): ConversationState {
  if (page.cursor.epoch !== state.epoch) return wantHistory({ ...state, loadingOlder: false });
  const rows = mergeRows(state.rows, page.messages);
  // A page that brings nothing new ends the scrolling, or it would be asked for for ever.
  const stuck = rows === state.rows ? (branch(rows, state.leafSeq)[0]?.seq ?? 0) : 0;
  return { ...state, rows, loadingOlder: false, topSeq: topOf(page) || stuck || state.topSeq };
}

function loadingNewest(state: ConversationState, anew: boolean): ConversationState {
  const startsOver = anew && state.phase !== 'ready';
  const wants = state.wants === 'history' ? 'nothing' : state.wants;
  if (!startsOver && wants === state.wants) return state;
  return startsOver ? { ...state, phase: 'loading', error: null, wants } : { ...state, wants };
}

function failed(
  state: ConversationState,
  what: 'newest' | 'older',
  error: WireError,
  missing: boolean,
): ConversationState {
  if (missing) return { ...state, phase: 'missing', error, live: [], loadingOlder: false, line: 'off' };
  if (what === 'older') return { ...state, loadingOlder: false };
  if (state.phase === 'ready') return { ...state, stale: true };
  return { ...state, phase: state.phase === 'missing' ? 'missing' : 'error', error };
}

/** Takes the leaf that the server named, once we hold the log that it was named with. */
export function settleLeaf(state: ConversationState): ConversationState {
  const { announced, head } = state;
  if (announced === null || announced.head > head) return state;
  if (announced.head < head || announced.leafSeq === state.leafSeq) return { ...state, announced: null };
  if (announced.leafSeq !== 0 && rowAt(state.rows, announced.leafSeq) === null) {
    return { ...state, announced: null, wants: 'history' };
  }
  return { ...state, announced: null, leafSeq: announced.leafSeq };
}
