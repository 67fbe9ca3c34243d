/**
 * What a transcript shows, computed from one session's state.
 *
 * Owns the order of items, their stable keys and which answer may be retried. Owns no state and
 * touches no network. Promises that an item whose content did not change keeps its identity, so
 * that a memoised row is not rendered again while another one streams.
 */
import type { Message, WireError } from '../wire/types';

export interface LiveTurn {
  turnId: string;
  attempt: number;
  inReplyTo: number;
  text: string;
  reasoning: string;
  phase: 'queued' | 'waiting' | 'streaming';
}

export interface PendingSend {
  clientMsgId: string;
  sessionId: string;
  content: string;
  createdAt: number;
  state: 'sending' | 'waiting' | 'refused';
  error?: WireError;
}

export type TranscriptItem =
  | { kind: 'message'; key: string; message: Message; retryTurnId: string | null }
  | { kind: 'live'; key: string; turn: LiveTurn }
  | { kind: 'pending'; key: string; pending: PendingSend };

export interface ConversationView {
  sessionId: string;
  phase: 'loading' | 'ready' | 'missing' | 'error';
  error: WireError | null;
  items: TranscriptItem[];
  hasOlder: boolean;
  loadingOlder: boolean;
  runningTurnId: string | null;
  stale: boolean;
}
