import { expect, it, vi } from 'vitest';

import { ApiError, call } from './client';
import { listSessions, loadSession } from './sessions';

function answering(status: number, body: unknown) {
  const fetched = vi.fn(async () => new Response(typeof body === 'string' ? body : JSON.stringify(body), { status }));
  vi.stubGlobal('fetch', fetched);
  return fetched;
}

const failure = (status: number, body: unknown) => {
  answering(status, body);
  return call('GET', '/api/x').catch((error: unknown) => error);
};

it('opens the envelope', async () => {
  answering(200, { success: true, data: { a: 1 } });
  await expect(call('GET', '/api/x')).resolves.toEqual({ a: 1 });
});

it('raises the server error with its code, words and status', async () => {
  const error = await failure(503, { success: false, error: { code: 'storage_unavailable', message: 'Later.', retryable: true } });
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({ code: 'storage_unavailable', message: 'Later.', status: 503, retryable: true });
});

it('makes an error of an answer that is not of our server', async () => {
  expect(await failure(502, '<html>Bad gateway</html>')).toMatchObject({ code: 'internal', status: 502, retryable: true });
  expect(await failure(404, 'not json')).toMatchObject({ code: 'internal', status: 404, retryable: false });
});

it('raises a failure under a success status as well', async () => {
  expect(await failure(200, { success: false, error: { code: 'internal', message: 'No.' } })).toBeInstanceOf(ApiError);
});

it('says that the server cannot be reached, and that trying again may help', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('failed to fetch')));
  await expect(call('GET', '/api/x')).rejects.toMatchObject({ code: 'unreachable', status: 0, retryable: true });
});

it('passes the abort of its caller on as it is', async () => {
  const controller = new AbortController();
  vi.stubGlobal('fetch', (_path: string, { signal }: RequestInit) =>
    new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
  );
  const calling = call('GET', '/api/x', { signal: controller.signal });
  controller.abort();
  await expect(calling).rejects.toMatchObject({ name: 'AbortError' });
});

it('gives up a server that takes the call and never answers', async () => {
  vi.spyOn(AbortSignal, 'timeout').mockReturnValue(AbortSignal.abort(new DOMException('late', 'TimeoutError')));
  vi.stubGlobal('fetch', (_path: string, { signal }: RequestInit) => Promise.reject(signal?.reason));
  await expect(call('GET', '/api/x')).rejects.toMatchObject({ code: 'timeout', retryable: true });
});

it('reads sessions and messages with their times in milliseconds', async () => {
  const at = '2026-01-31T12:00:00.250Z';
  answering(200, { success: true, data: { sessions: [{ id: 's', createdAt: at, lastActivity: at, messageCount: 2 }], nextCursor: 'n' } });
  const { sessions, nextCursor } = await listSessions(null);
  expect(sessions[0]).toMatchObject({ id: 's', createdAt: Date.parse(at), title: '', pinned: false });
  expect(nextCursor).toBe('n');
  const row = { id: 'm', seq: 1, parentSeq: 0, role: 'user', content: 'x', parts: [], timestamp: at };
  answering(200, { success: true, data: { conversationHistory: [row], hasMore: false, cursor: { epoch: 'e', seq: 1 }, leafSeq: 1, activeTurns: [] } });
  const page = await loadSession('s');
  expect(page.messages[0]?.timestamp).toBe(Date.parse(at));
});

it('puts ids into paths so that they stay ids', async () => {
  const fetched = answering(200, { success: true, data: {} });
  await loadSession('../x?y').catch(() => undefined);
  expect(fetched).toHaveBeenCalledWith('/api/sessions/..%2Fx%3Fy/load?limit=50', expect.anything());
});
