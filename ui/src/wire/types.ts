/**
 * The nouns that cross the wire, as the page holds them.
 *
 * Owns the types of messages, session summaries, server events and client commands of
 * `docs/protocol.md`. Owns no parsing (see `decode.ts`) and no state. Times are integer
 * milliseconds everywhere in the page; REST's ISO strings are turned into them at the edge.
 */

export type Role = 'user' | 'assistant' | 'system' | 'tool';

export type MessageStatus = 'complete' | 'cancelled' | 'failed' | 'interrupted';

export type Part =
  | { type: 'text'; text: string }
  | { type: 'reasoning'; text: string }
  | { type: string; [key: string]: unknown };

export interface Usage {
  inputTokens?: number;
  outputTokens?: number;
}

export interface WireError {
  code: string;
  message: string;
}

export interface Message {
  id: string;
  seq: number;
  parentSeq: number;
  role: Role;
  content: string;
  parts: Part[];
  timestamp: number;
  status?: MessageStatus;
  turnId?: string;
  attempt?: number;
  clientMsgId?: string;
  usage?: Usage;
  /** Why a failed assistant message failed. */
  error?: WireError;
}

export interface SessionSummary {
  id: string;
  title: string;
  createdAt: number;
  lastActivity: number;
  messageCount: number;
  pinned: boolean;
  running?: boolean;
  epoch: string;
  headSeq: number;
  leafSeq: number;
}

/** Where a reader stands in a session's log; `epoch` null means it has nothing yet. */
export interface Cursor {
  epoch: string | null;
  seq: number;
}

export interface TurnPosition {
  attempt: number;
  off: number;
}

export interface Subscription extends Cursor {
  sessionId: string;
  turns: Record<string, TurnPosition>;
}

export interface ActiveTurn {
  turnId: string;
  attempt: number;
  inReplyTo: number;
  status: 'running' | 'queued';
}

/** One page of a conversation, newest page first. */
export interface HistoryPage {
  sessionId: string;
  messages: Message[];
  hasMore: boolean;
  cursor: { epoch: string; seq: number };
  leafSeq: number;
  activeTurns: ActiveTurn[];
}

export interface ModelInfo {
  id: string;
  demo: boolean;
  notice: string | null;
}

export type StorageState = 'ok' | 'read_only' | 'volatile' | 'unavailable';
