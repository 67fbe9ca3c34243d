/**
 * From the server's JSON to the page's nouns.
 *
 * Owns how a message, a summary and a page are spelled on the wire. The socket and REST spell a
 * message alike but for its time, and both are read here. Unknown fields are ignored; a noun that
 * lacks what it cannot be without throws `Malformed`.
 */
import { count, flag, isRecord, list, Malformed, oneOf, record, required, text, time, type Json } from './fields';
import type { MessageAck } from './events';
import type {
  ActiveTurn,
  HistoryPage,
  Message,
  ModelInfo,
  Part,
  SessionSummary,
  Usage,
  WireError,
} from './types';

const ROLES = ['user', 'assistant', 'system', 'tool'] as const;
const STATUSES = ['complete', 'cancelled', 'failed', 'interrupted'] as const;

export function decodeUsage(json: Json | null): Usage | null {
  if (json === null) return null;
  const usage: Usage = {};
  const input = count(json, 'inputTokens');
  const output = count(json, 'outputTokens');
  if (input !== null) usage.inputTokens = input;
  if (output !== null) usage.outputTokens = output;
  return usage;
}

function decodeError(json: Json | null): WireError | null {
  if (json === null) return null;
  return { code: text(json, 'code') ?? 'internal', message: text(json, 'message') ?? '' };
}

function isPart(value: unknown): value is Part {
  return isRecord(value) && typeof value['type'] === 'string';
}

/** A logged message; on the socket its id is called `messageId` and its `seq` may stand on the frame. */
export function decodeMessage(json: Json, frame: Json = json): Message {
  const content = text(json, 'content') ?? '';
  const parts = list(json, 'parts').filter(isPart);
  const message: Message = {
    id: required(text(json, 'messageId') ?? text(json, 'id'), 'id'),
    seq: required(count(json, 'seq') ?? count(frame, 'seq'), 'seq'),
    parentSeq: count(json, 'parentSeq') ?? 0,
    role: required(oneOf(text(json, 'role'), ROLES), 'role'),
    content,
    parts: parts.length > 0 || content === '' ? parts : [{ type: 'text', text: content }],
    timestamp: required(time(json, 'timestamp'), 'timestamp'),
  };
  const status = oneOf(text(json, 'status'), STATUSES);
  if (status !== null) message.status = status;
  const turnId = text(json, 'turnId');
  if (turnId !== null) message.turnId = turnId;
  const attempt = count(json, 'attempt');
  if (attempt !== null) message.attempt = attempt;
  const clientMsgId = text(json, 'clientMsgId');
  if (clientMsgId !== null) message.clientMsgId = clientMsgId;
  const usage = decodeUsage(record(json, 'usage'));
  if (usage !== null) message.usage = usage;
  const error = decodeError(record(json, 'error'));
  if (error !== null) message.error = error;
  return message;
}

export function decodeSummary(json: unknown): SessionSummary {
  if (!isRecord(json)) throw new Malformed('a session is not an object');
  const createdAt = time(json, 'createdAt') ?? 0;
  const summary: SessionSummary = {
    id: required(text(json, 'id'), 'id'),
    title: text(json, 'title') ?? '',
    createdAt,
    lastActivity: time(json, 'lastActivity') ?? createdAt,
    messageCount: count(json, 'messageCount') ?? 0,
    pinned: flag(json, 'pinned'),
    epoch: text(json, 'epoch') ?? '',
    headSeq: count(json, 'headSeq') ?? 0,
    leafSeq: count(json, 'leafSeq') ?? 0,
  };
  if (typeof json['running'] === 'boolean') summary.running = json['running'];
  return summary;
}

function decodeActiveTurn(json: unknown): ActiveTurn | null {
  if (!isRecord(json)) return null;
  const turnId = text(json, 'turnId');
  if (turnId === null) return null;
  return {
    turnId,
    attempt: count(json, 'attempt') ?? 1,
    inReplyTo: count(json, 'inReplyTo') ?? 0,
    status: text(json, 'status') === 'queued' ? 'queued' : 'running',
  };
}

export function decodeActiveTurns(json: readonly unknown[]): ActiveTurn[] {
  return json.map(decodeActiveTurn).filter((turn) => turn !== null);
}

/** What `load` and `history` answer; they differ only in the name of the list. */
export function decodeHistory(sessionId: string, json: Json): HistoryPage {
  const rows = 'conversationHistory' in json ? list(json, 'conversationHistory') : list(json, 'history');
  const messages = rows.filter(isRecord).map((row) => decodeMessage(row));
  messages.sort((a, b) => a.seq - b.seq);
  const cursor = required(record(json, 'cursor'), 'cursor');
  const seq = count(cursor, 'seq') ?? 0;
  return {
    sessionId,
    messages,
    hasMore: flag(json, 'hasMore'),
    cursor: { epoch: required(text(cursor, 'epoch'), 'cursor.epoch'), seq },
    leafSeq: count(json, 'leafSeq') ?? seq,
    activeTurns: decodeActiveTurns(list(json, 'activeTurns')),
  };
}

/** An ack; on the socket its `epoch` and `seq` may stand on the frame. */
export function decodeAck(json: Json, frame: Json = json): MessageAck {
  return {
    type: 'message:ack',
    sessionId: required(text(json, 'sessionId'), 'sessionId'),
    clientMsgId: required(text(json, 'clientMsgId'), 'clientMsgId'),
    messageId: text(json, 'messageId') ?? '',
    epoch: required(text(json, 'epoch') ?? text(frame, 'epoch'), 'epoch'),
    seq: required(count(json, 'seq') ?? count(frame, 'seq'), 'seq'),
    durability: text(json, 'durability') === 'volatile' ? 'volatile' : 'committed',
    duplicate: flag(json, 'duplicate'),
    turnId: text(json, 'turnId'),
  };
}

export function decodeModel(json: Json | null): ModelInfo | null {
  if (json === null) return null;
  const id = text(json, 'id');
  return id === null ? null : { id, demo: flag(json, 'demo'), notice: text(json, 'notice') };
}
