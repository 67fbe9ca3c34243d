import { describe, expect, it } from 'vitest';

import { decodeFrame } from './frames';
import { newId } from './ids';

const decode = (frame: object) => decodeFrame(JSON.stringify(frame));

describe('a frame', () => {
  it('with a logged message takes epoch and seq from the frame, and the id under either name', () => {
    const payload = { sessionId: 's', messageId: 'm', parentSeq: 3, role: 'assistant', content: 'hi', timestamp: 7, turnId: 't', attempt: 2, status: 'failed', error: { code: 'model_rejected', message: 'No.' }, usage: { inputTokens: 1, outputTokens: 2 } };
    expect(decode({ type: 'message:received', epoch: 'e', seq: 4, payload })).toEqual({
      type: 'message:received',
      sessionId: 's',
      epoch: 'e',
      message: {
        id: 'm',
        seq: 4,
        parentSeq: 3,
        role: 'assistant',
        content: 'hi',
        parts: [{ type: 'text', text: 'hi' }],
        timestamp: 7,
        turnId: 't',
        attempt: 2,
        status: 'failed',
        error: { code: 'model_rejected', message: 'No.' },
        usage: { inputTokens: 1, outputTokens: 2 },
      },
    });
  });

  it('with a delta reads what the server leaves out as text that continues', () => {
    const payload = { sessionId: 's', turnId: 't', attempt: 1, off: 4, text: 'x' };
    expect(decode({ type: 'message:delta', payload })).toMatchObject({ kind: 'text', snapshot: false, off: 4 });
  });

  it('with a session reads times as numbers or as ISO text', () => {
    const payload = { sessionId: 's', title: 'T', createdAt: '1970-01-01T00:00:01.000Z', lastActivity: 2_000, messageCount: 1, pinned: true, archived: true, epoch: 'e', headSeq: 1, leafSeq: 1, running: true };
    expect(decode({ type: 'session:updated', payload })).toMatchObject({
      archived: true,
      summary: { id: 's', createdAt: 1_000, lastActivity: 2_000, pinned: true, running: true },
    });
  });

  it('with a refusal says of what, by name or by the id of the frame that it answers', () => {
    const payload = { code: 'too_large', message: 'Too long.', retryable: false };
    expect(decode({ type: 'error', ref: 'c1', payload })).toMatchObject({ clientMsgId: 'c1', turnId: null });
    expect(decode({ type: 'error', payload: { ...payload, turnId: 't' } })).toMatchObject({ turnId: 't', clientMsgId: null });
  });

  it.each([
    ['an unknown type', { type: 'session:painted', payload: {} }],
    ['no type', { payload: {} }],
    ['a type that objects have by nature', { type: 'constructor', payload: {} }],
    ['a message without a role', { type: 'message:received', epoch: 'e', seq: 1, payload: { sessionId: 's', id: 'm', timestamp: 1 } }],
    ['a storage state that we do not know', { type: 'server:status', payload: { storage: 'melting' } }],
  ])('with %s is dropped', (_name, frame) => {
    expect(decode(frame)).toBeNull();
  });
});

describe('an id', () => {
  it('is a UUIDv7 that sorts by the time it was made', () => {
    const ids = [1, 2 ** 31, 2 ** 32, 1_795_376_525_364].map(newId);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect([...ids].sort()).toEqual(ids);
    expect(parseInt((ids[3] ?? '').replaceAll('-', '').slice(0, 12), 16)).toBe(1_795_376_525_364);
  });

  it('is new each time', () => {
    expect(new Set(Array.from({ length: 1_000 }, () => newId(0))).size).toBe(1_000);
  });
});
