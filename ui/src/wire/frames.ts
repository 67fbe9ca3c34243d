/**
 * From a text frame of the socket to an event.
 *
 * Owns the spelling of `{"type", "payload", "ref"?, "epoch"?, "seq"?}`. A frame that is not JSON, of
 * an unknown type, or without what its type needs gives null: the log heals what a lost frame hid.
 */
import { decodeAck, decodeActiveTurns, decodeMessage, decodeModel, decodeSummary, decodeUsage } from './decode';
import type { ServerEvent } from './events';
import { count, flag, isRecord, list, Malformed, oneOf, record, required, text, time, type Json } from './fields';

const STORAGE = ['ok', 'read_only', 'volatile', 'unavailable'] as const;
const STATUSES = ['complete', 'cancelled', 'failed', 'interrupted'] as const;

type Decoder = (payload: Json, frame: Json) => ServerEvent;

const sessionOf = (payload: Json): string => required(text(payload, 'sessionId'), 'sessionId');
const turnOf = (payload: Json) => ({
  sessionId: sessionOf(payload),
  turnId: required(text(payload, 'turnId'), 'turnId'),
  attempt: count(payload, 'attempt') ?? 1,
});
const epochOf = (payload: Json, frame: Json): string =>
  required(text(payload, 'epoch') ?? text(frame, 'epoch'), 'epoch');

const decoders: Record<ServerEvent['type'], Decoder> = {
  welcome: (p) => {
    const limits = record(p, 'limits') ?? {};
    return {
      type: 'welcome',
      connId: text(p, 'connId') ?? '',
      serverTime: time(p, 'serverTime') ?? Date.now(),
      heartbeatMs: count(p, 'heartbeatMs') ?? 20_000,
      storage: oneOf(text(p, 'storage'), STORAGE) ?? 'ok',
      model: decodeModel(record(p, 'model')),
      limits: {
        maxFrame: count(limits, 'maxFrame') ?? 262_144,
        maxContent: count(limits, 'maxContent') ?? 200_000,
        inflight: count(limits, 'inflight') ?? 16,
        perMinute: count(limits, 'perMinute') ?? 120,
      },
    };
  },
  subscribed: (p, frame) => ({
    type: 'subscribed',
    sessionId: sessionOf(p),
    epoch: epochOf(p, frame),
    head: count(p, 'head') ?? 0,
    leafSeq: count(p, 'leafSeq') ?? 0,
    recovered: p['recovered'] !== false,
    reason: text(p, 'reason'),
    activeTurns: decodeActiveTurns('activeTurns' in p ? list(p, 'activeTurns') : [p['activeTurn']]),
  }),
  'sync:caught_up': (p, frame) => ({
    type: 'sync:caught_up',
    sessionId: sessionOf(p),
    seq: count(p, 'seq') ?? count(frame, 'seq') ?? 0,
  }),
  'message:ack': decodeAck,
  'message:received': (p, frame) => ({
    type: 'message:received',
    sessionId: sessionOf(p),
    epoch: epochOf(p, frame),
    message: decodeMessage(p, frame),
  }),
  'turn:started': (p) => ({ type: 'turn:started', ...turnOf(p), inReplyTo: count(p, 'inReplyTo') ?? 0 }),
  'message:delta': (p) => ({
    type: 'message:delta',
    ...turnOf(p),
    off: count(p, 'off') ?? 0,
    text: text(p, 'text') ?? '',
    kind: text(p, 'kind') === 'reasoning' ? 'reasoning' : 'text',
    snapshot: flag(p, 'snapshot'),
  }),
  'turn:ended': (p) => ({
    type: 'turn:ended',
    ...turnOf(p),
    status: oneOf(text(p, 'status'), STATUSES) ?? 'complete',
    reason: text(p, 'reason'),
    message: text(p, 'message'),
    retryable: flag(p, 'retryable'),
    usage: decodeUsage(record(p, 'usage')),
  }),
  'session:created': (p) => ({
    type: 'session:created',
    sessionId: sessionOf(p),
    summary: decodeSummary({ createdAt: p['timestamp'], ...p, id: sessionOf(p) }),
  }),
  'session:updated': (p) => ({
    type: 'session:updated',
    sessionId: sessionOf(p),
    archived: flag(p, 'archived'),
    summary: decodeSummary({ ...p, id: sessionOf(p) }),
  }),
  'session:deleted': (p) => ({ type: 'session:deleted', sessionId: sessionOf(p) }),
  'sync:lagged': (p) => ({ type: 'sync:lagged', sessionId: sessionOf(p) }),
  'server:status': (p) => ({
    type: 'server:status',
    storage: required(oneOf(text(p, 'storage'), STORAGE), 'storage'),
  }),
  'server:draining': (p) => ({ type: 'server:draining', reconnectAfterMs: count(p, 'reconnectAfterMs') ?? 0 }),
  pong: (p) => {
    const heads: Record<string, number> = {};
    for (const [id, seq] of Object.entries(record(p, 'heads') ?? {})) {
      if (typeof seq === 'number') heads[id] = seq;
    }
    return { type: 'pong', heads };
  },
  error: (p, frame) => ({
    type: 'error',
    sessionId: text(p, 'sessionId'),
    clientMsgId: text(p, 'clientMsgId') ?? text(frame, 'ref'),
    turnId: text(p, 'turnId'),
    code: text(p, 'code') ?? 'internal',
    message: text(p, 'message') ?? 'Something went wrong.',
    retryable: flag(p, 'retryable'),
    retryAfterMs: count(p, 'retryAfterMs'),
  }),
};

const known = new Map<string, Decoder>(Object.entries(decoders));

/** The event in a text frame, or null if the page has no use for it. */
export function decodeFrame(data: string): ServerEvent | null {
  try {
    const frame: unknown = JSON.parse(data);
    if (!isRecord(frame)) return null;
    const decoder = known.get(text(frame, 'type') ?? '');
    return decoder === undefined ? null : decoder(record(frame, 'payload') ?? {}, frame);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof Malformed) return null;
    throw error;
  }
}
