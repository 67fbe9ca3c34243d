/**
 * Every frame that the page understands or says, as closed unions.
 *
 * Owns the names of `docs/protocol.md` section 3 that the page acts on. A frame of any other type
 * never becomes a `ServerEvent`: `decode.ts` drops it, so that an older page meets a newer server
 * without harm.
 */
import type {
  ActiveTurn,
  Message,
  MessageStatus,
  ModelInfo,
  SessionSummary,
  StorageState,
  Subscription,
  Usage,
} from './types';

export interface Limits {
  maxFrame: number;
  maxContent: number;
  inflight: number;
  perMinute: number;
}

export interface Welcome {
  type: 'welcome';
  connId: string;
  serverTime: number;
  heartbeatMs: number;
  storage: StorageState;
  model: ModelInfo | null;
  limits: Limits;
}

export interface Subscribed {
  type: 'subscribed';
  sessionId: string;
  epoch: string;
  head: number;
  leafSeq: number;
  recovered: boolean;
  reason: string | null;
  /** The turns that are not over, in the order in which they run. */
  activeTurns: ActiveTurn[];
}

export interface CaughtUp {
  type: 'sync:caught_up';
  sessionId: string;
  seq: number;
}

export interface MessageAck {
  type: 'message:ack';
  sessionId: string;
  clientMsgId: string;
  messageId: string;
  epoch: string;
  seq: number;
  durability: 'committed' | 'volatile';
  duplicate: boolean;
  turnId: string | null;
}

export interface MessageReceived {
  type: 'message:received';
  sessionId: string;
  epoch: string;
  message: Message;
}

export interface TurnStarted {
  type: 'turn:started';
  sessionId: string;
  turnId: string;
  attempt: number;
  inReplyTo: number;
}

export interface MessageDelta {
  type: 'message:delta';
  sessionId: string;
  turnId: string;
  attempt: number;
  /** UTF-16 code units of this kind of text that come before. */
  off: number;
  text: string;
  kind: 'text' | 'reasoning';
  /** `text` is everything from offset 0. */
  snapshot: boolean;
}

export interface TurnEnded {
  type: 'turn:ended';
  sessionId: string;
  turnId: string;
  attempt: number;
  status: MessageStatus;
  reason: string | null;
  message: string | null;
  retryable: boolean;
  usage: Usage | null;
}

export interface SessionCreated {
  type: 'session:created';
  sessionId: string;
  summary: SessionSummary;
}

export interface SessionUpdated {
  type: 'session:updated';
  sessionId: string;
  archived: boolean;
  summary: SessionSummary;
}

export interface SessionDeleted {
  type: 'session:deleted';
  sessionId: string;
}

export interface Lagged {
  type: 'sync:lagged';
  sessionId: string;
}

export interface ServerStatus {
  type: 'server:status';
  storage: StorageState;
}

export interface Draining {
  type: 'server:draining';
  reconnectAfterMs: number;
}

export interface Pong {
  type: 'pong';
  heads: Record<string, number>;
}

/** A refusal; the ids say of what. With a session alone it is a subscription. */
export interface Refusal {
  type: 'error';
  sessionId: string | null;
  clientMsgId: string | null;
  turnId: string | null;
  code: string;
  message: string;
  retryable: boolean;
  retryAfterMs: number | null;
}

/** What belongs to one conversation and is reduced into its state. */
export type ConversationEvent =
  | Subscribed
  | CaughtUp
  | MessageReceived
  | TurnStarted
  | MessageDelta
  | TurnEnded
  | SessionCreated
  | SessionUpdated
  | SessionDeleted
  | Lagged;

export type ServerEvent =
  | ConversationEvent
  | Welcome
  | MessageAck
  | ServerStatus
  | Draining
  | Pong
  | Refusal;

export type ClientCommand =
  | { type: 'hello'; payload: { v: 1; clientId: string; subs: Subscription[] } }
  | { type: 'subscribe'; payload: Subscription }
  | { type: 'unsubscribe'; payload: { sessionId: string } }
  | {
      type: 'message:sent';
      id: string;
      payload: { sessionId: string; content: string; clientMsgId: string };
    }
  | { type: 'turn:cancel'; id: string; payload: { sessionId: string; turnId: string } }
  | { type: 'turn:retry'; id: string; payload: { sessionId: string; turnId: string } }
  | { type: 'ping'; payload: { t: number } };
