import { QueryClient, QueryObserver } from '@tanstack/react-query';
import { describe, expect, it } from 'vitest';

import type { SessionList } from '../../api/sessions';
import { FakeRest } from '../../conversation/engine/testing';
import { ManualClock, eventually } from '../../realtime/testing';
import type { Json } from '../../wire/fields';
import type { SessionSummary } from '../../wire/types';
import { SESSIONS_KEY, SessionCache } from './session-cache';

function summary(id: string, lastActivity: number, fields: Partial<SessionSummary> = {}): SessionSummary {
  return {
    id,
    title: `Talk ${id}`,
    createdAt: 0,
    lastActivity,
    messageCount: 1,
    pinned: false,
    epoch: 'e',
    headSeq: 1,
    leafSeq: 1,
    running: false,
    ...fields,
  };
}

const json = (row: SessionSummary): Json => ({ ...row });
const updated = (row: SessionSummary, archived = false) =>
  ({ type: 'session:updated', sessionId: row.id, archived, summary: row }) as const;

function shelf() {
  const rest = new FakeRest();
  const clock = new ManualClock();
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const cache = new SessionCache(queries, clock);
  const observer = new QueryObserver<SessionList>(queries, {
    queryKey: SESSIONS_KEY,
    queryFn: ({ signal }) => cache.fetchFirst(signal),
    networkMode: 'always',
    staleTime: Infinity,
    structuralSharing: false,
  });
  observer.subscribe(() => {});
  const shown = () => cache.shown(queries.getQueryData<SessionList>(SESSIONS_KEY), cache.overlays.getState());
  return {
    rest,
    queries,
    clock,
    cache,
    shown,
    titles: () => shown().map(({ title }) => title),
    /** Answers the fetch of the first page that is under way. */
    async page(rows: SessionSummary[], nextCursor: string | null = null) {
      (await rest.next('GET', '/api/sessions')).answer({ sessions: rows.map(json), nextCursor });
      await eventually(() => expect(queries.isFetching()).toBe(0));
    },
  };
}

describe('a fetch that is called off', () => {
  it('does not hide news from the one that takes its place', async () => {
    const list = shelf();
    await list.page([summary('a', 2)]);
    void list.queries.refetchQueries({ queryKey: SESSIONS_KEY });
    await list.rest.next('GET', '/api/sessions');
    void list.queries.refetchQueries({ queryKey: SESSIONS_KEY });
    const second = await list.rest.next('GET', '/api/sessions');
    list.cache.hear(updated(summary('a', 3, { title: 'New name' })));
    second.answer({ sessions: [json(summary('a', 2))], nextCursor: null });
    await list.page([summary('a', 3, { title: 'New name' })]);
    expect(list.titles()).toEqual(['New name']);
  });
});

describe('news', () => {
  it('of a session change its row and its place', async () => {
    const list = shelf();
    await list.page([summary('a', 2), summary('b', 1)]);
    list.cache.hear(updated(summary('b', 3, { title: 'New name' })));
    expect(list.titles()).toEqual(['New name', 'Talk a']);
  });

  it('of a session made elsewhere add its row', async () => {
    const list = shelf();
    await list.page([summary('a', 2)]);
    list.cache.hear({ type: 'session:created', sessionId: 'b', summary: summary('b', 3) });
    expect(list.titles()).toEqual(['Talk b', 'Talk a']);
  });

  it('of a session far below what is loaded leave the list alone', async () => {
    const list = shelf();
    await list.page([summary('a', 20), summary('b', 10)], 'more');
    list.cache.hear(updated(summary('z', 5)));
    expect(list.titles()).toEqual(['Talk a', 'Talk b']);
  });

  it('of a deletion or of an archiving take the row away', async () => {
    const list = shelf();
    await list.page([summary('a', 3), summary('b', 2), summary('c', 1)]);
    list.cache.hear({ type: 'session:deleted', sessionId: 'a' });
    list.cache.hear(updated(summary('b', 2), true));
    expect(list.titles()).toEqual(['Talk c']);
  });

  it('that come while a page is on its way make it be fetched again', async () => {
    const list = shelf();
    const first = await list.rest.next('GET', '/api/sessions');
    list.cache.hear({ type: 'session:deleted', sessionId: 'a' });
    first.answer({ sessions: [json(summary('a', 1))], nextCursor: null });
    await list.page([]);
    expect(list.titles()).toEqual([]);
  });
});

describe('a reconnect', () => {
  it('fetches the first page again, once, and drops what is no longer in it', async () => {
    const list = shelf();
    await list.page([summary('a', 3), summary('b', 2)]);
    list.cache.hear({ type: 'reconnected' });
    list.cache.hear({ type: 'reconnected' });
    list.clock.advance(150);
    await list.page([summary('b', 2)]);
    expect(list.titles()).toEqual(['Talk b']);
    expect(list.rest.calls).toEqual([]);
  });

  it('is looked up by who comes back to the window, but not within half a minute', async () => {
    const list = shelf();
    await list.page([summary('a', 1)]);
    list.clock.advance(29_000);
    list.cache.lookedAt();
    list.clock.advance(999);
    expect(list.rest.calls).toEqual([]);
    list.clock.advance(1);
    list.cache.lookedAt();
    list.clock.advance(150);
    await list.page([summary('imported', 2)]);
    expect(list.titles()).toEqual(['Talk imported']);
    list.cache.lookedAt();
    list.clock.advance(150);
    expect(list.rest.calls).toEqual([]);
  });

  it('keeps the pages behind the first if it reaches them, and not if it does not', async () => {
    const list = shelf();
    await list.page([summary('a', 9), summary('b', 8)], 'after b');
    const more = list.cache.loadMore();
    (await list.rest.next('GET', '/api/sessions')).answer({ sessions: [json(summary('c', 7))], nextCursor: null });
    await more;
    list.cache.hear({ type: 'reconnected' });
    list.clock.advance(150);
    await list.page([summary('n', 10), summary('a', 9)], 'after a');
    expect(list.titles()).toEqual(['Talk n', 'Talk a', 'Talk b', 'Talk c']);
    list.cache.hear({ type: 'reconnected' });
    list.clock.advance(150);
    await list.page([summary('x', 30), summary('y', 20)], 'after y');
    expect(list.titles()).toEqual(['Talk x', 'Talk y']);
  });
});

describe('what a person does', () => {
  it('is shown at once and stays when the server agrees', async () => {
    const list = shelf();
    await list.page([summary('a', 1)]);
    const renaming = list.cache.change('a', { title: 'Mine' });
    expect(list.titles()).toEqual(['Mine']);
    const call = await list.rest.next('PATCH', '/api/sessions/a');
    expect(call.body).toEqual({ title: 'Mine' });
    call.answer({});
    await renaming;
    expect(list.titles()).toEqual(['Mine']);
  });

  it('is taken back and raised when the server refuses, without undoing what happened meanwhile', async () => {
    const list = shelf();
    await list.page([summary('a', 1)]);
    const renaming = list.cache.change('a', { title: 'Mine' });
    list.cache.hear(updated(summary('a', 5, { messageCount: 4 })));
    expect(list.shown()).toMatchObject([{ title: 'Mine', messageCount: 4 }]);
    (await list.rest.next('PATCH', '/api/sessions/a')).refuse(503, 'storage_unavailable');
    await expect(renaming).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect(list.shown()).toMatchObject([{ title: 'Talk a', messageCount: 4 }]);
  });

  it('to remove a session shows at once, comes back on failure, and takes a lost one as removed', async () => {
    const list = shelf();
    await list.page([summary('a', 2), summary('b', 1)]);
    const failing = list.cache.remove('a');
    expect(list.titles()).toEqual(['Talk b']);
    (await list.rest.next('DELETE', '/api/sessions/a')).refuse(503, 'storage_unavailable');
    await expect(failing).rejects.toThrow();
    expect(list.titles()).toEqual(['Talk a', 'Talk b']);
    const gone = list.cache.remove('a');
    (await list.rest.next('DELETE', '/api/sessions/a')).refuse(404, 'not_found');
    await gone;
    expect(list.titles()).toEqual(['Talk b']);
  });

  it('to undo a removal waits for the removal and shows the row at once', async () => {
    const list = shelf();
    await list.page([summary('a', 1)]);
    const removing = list.cache.remove('a');
    const restoring = list.cache.restore('a');
    expect(list.titles()).toEqual(['Talk a']);
    expect(list.rest.calls.map(({ method }) => method)).toEqual(['DELETE']);
    (await list.rest.next('DELETE', '/api/sessions/a')).answer({});
    await removing;
    (await list.rest.next('POST', '/api/sessions/a/restore')).answer({});
    await restoring;
    expect(list.titles()).toEqual(['Talk a']);
  });

  it('to begin a session stays in the list until the server lists it, or cannot make it', async () => {
    const list = shelf();
    await list.page([]);
    list.cache.hear({ type: 'session:begun', summary: summary('n', 1, { title: 'Begun' }) });
    list.cache.hear({ type: 'reconnected' });
    list.clock.advance(150);
    await list.page([]);
    expect(list.titles()).toEqual(['Begun']);
    list.cache.hear({ type: 'session:created', sessionId: 'n', summary: summary('n', 1, { title: '' }) });
    expect(list.titles()).toEqual(['']);
    list.cache.hear({ type: 'session:begun', summary: summary('m', 2) });
    list.cache.hear({ type: 'session:unmade', sessionId: 'm' });
    expect(list.shown()).toHaveLength(1);
  });
});
