import { describe, expect, it } from 'vitest';

import type { MessageDelta, Subscribed } from '../wire/events';
import type { HistoryPage, Message } from '../wire/types';
import type { PageEvent } from './pages';
import { reduce } from './reducer';
import { emptyConversation, type ConversationState } from './state';
import { SESSION, updated } from './testing';

type Event = Parameters<typeof reduce>[1];

function message(seq: number, fields: Partial<Message> = {}): Message {
  return {
    id: `m${seq}`,
    seq,
    parentSeq: seq - 1,
    role: 'user',
    content: `no ${seq}`,
    parts: [],
    timestamp: seq,
    ...fields,
  };
}

function page(messages: Message[], fields: Partial<HistoryPage> = {}): HistoryPage {
  const seq = messages.at(-1)?.seq ?? 0;
  const hasMore = (messages[0]?.parentSeq ?? 0) !== 0;
  return { sessionId: SESSION, messages, hasMore, cursor: { epoch: 'e1', seq }, leafSeq: seq, activeTurns: [], ...fields };
}

const newest = (held: HistoryPage): PageEvent => ({ type: 'history:newest', page: held });

function received(logged: Message, epoch = 'e1'): Event {
  return { type: 'message:received', sessionId: SESSION, epoch, message: logged };
}

function delta(off: number, text: string, fields: Partial<MessageDelta> = {}): MessageDelta {
  return {
    type: 'message:delta',
    sessionId: SESSION,
    turnId: 't1',
    attempt: 1,
    off,
    text,
    kind: 'text',
    snapshot: false,
    ...fields,
  };
}

function subscribed(fields: Partial<Subscribed> = {}): Subscribed {
  return {
    type: 'subscribed',
    sessionId: SESSION,
    epoch: 'e1',
    head: 1,
    leafSeq: 1,
    recovered: true,
    reason: null,
    activeTurns: [],
    ...fields,
  };
}

const caughtUp: Event = { type: 'sync:caught_up', sessionId: SESSION, seq: 1 };

function after(...events: Event[]): ConversationState {
  return events.reduce(reduce, emptyConversation(SESSION));
}

const asked = newest(page([message(1, { turnId: 't1' })]));
const started: Event = { type: 'turn:started', sessionId: SESSION, turnId: 't1', attempt: 1, inReplyTo: 1 };
const liveText = (state: ConversationState) => state.live.map((answer) => answer.text);

describe('the log', () => {
  it('takes the next message and ignores one that it has', () => {
    const state = after(newest(page([message(1)])), received(message(2)));
    expect(state.rows.map((row) => row.seq)).toEqual([1, 2]);
    expect(reduce(state, received(message(2)))).toBe(state);
  });

  it('refuses a message that comes too early and asks for what lies between', () => {
    const state = after(newest(page([message(1)])), received(message(3)));
    expect(state.rows.map((row) => row.seq)).toEqual([1]);
    expect(state.wants).toBe('replay');
  });

  it('drops its view at a message of another epoch, keeping it on screen until the page comes', () => {
    const state = after(newest(page([message(1)])), received(message(2), 'e2'));
    expect(state).toMatchObject({ wants: 'history', epoch: null, stale: true, phase: 'ready' });
    expect(state.rows).toHaveLength(1);
    const healed = reduce(state, newest(page([message(1, { content: 'other' })], { cursor: { epoch: 'e2', seq: 1 } })));
    expect(healed.rows.map((row) => row.content)).toEqual(['other']);
    expect(healed.stale).toBe(false);
  });

  it.each(['epoch_mismatch', 'ahead', 'too_old', 'too_many'])('loads history when a subscription fails with %s', (reason) => {
    const state = after(newest(page([message(1)])), subscribed({ recovered: false, reason }));
    expect(state).toMatchObject({ wants: 'history', epoch: null });
  });

  it('adopts the epoch of a session that begins with us', () => {
    const state = after({ type: 'history:fresh' }, { type: 'line:asked' }, subscribed({ head: 0, leafSeq: 0 }));
    expect(state).toMatchObject({ epoch: 'e1', wants: 'nothing', phase: 'ready' });
  });

  it('keeps what the socket brought when an older page of a new session comes after it', () => {
    const state = after({ type: 'history:fresh' }, subscribed({ head: 0, leafSeq: 0 }), received(message(1)), newest(page([])));
    expect(state.rows.map((row) => row.seq)).toEqual([1]);
    expect(state.head).toBe(1);
  });

  it('keeps the objects of messages that a new page repeats', () => {
    const before = after(newest(page([message(1), message(2)])));
    const again = reduce(before, newest(page([message(1), message(2), message(3)])));
    expect(again.rows[0]).toBe(before.rows[0]);
    expect(again.rows).toHaveLength(3);
  });

  it('keeps loaded older pages when a newer page meets them, and not when it does not', () => {
    const before = after(newest(page([message(1), message(2), message(3)])));
    const meeting = reduce(before, newest(page([message(4), message(5)])));
    expect(meeting.rows).toHaveLength(5);
    const apart = reduce(before, newest(page([message(8), message(9)])));
    expect(apart.rows.map((row) => row.seq)).toEqual([8, 9]);
  });

  it('is missing after a deletion and comes back when the session is spoken of again', () => {
    const gone = after(asked, { type: 'session:deleted', sessionId: SESSION });
    expect(gone.phase).toBe('missing');
    expect(reduce(gone, updated(1, 1)).wants).toBe('history');
    expect(reduce(gone, { ...updated(1, 1), type: 'session:created' }).wants).toBe('history');
  });

  it('subscribes again after the server dropped it for lagging', () => {
    const state = after(asked, { type: 'line:asked' }, subscribed(), caughtUp, { type: 'sync:lagged', sessionId: SESSION });
    expect(state).toMatchObject({ wants: 'replay', line: 'off' });
  });
});

describe('the branch', () => {
  it('does not follow an answer that belongs to a branch which was left', () => {
    const state = after(
      newest(page([message(1), message(2, { parentSeq: 0 })])),
      received(message(3, { role: 'assistant', parentSeq: 1, turnId: 't', status: 'complete' })),
    );
    expect(state.leafSeq).toBe(2);
  });

  it('takes an announced leaf only with the log that it was announced with', () => {
    const early = after(newest(page([message(1)])), updated(2, 1));
    expect(early.leafSeq).toBe(1);
    const there = reduce(early, received(message(2)));
    expect(there.leafSeq).toBe(1);
    expect(reduce(there, updated(1, 1)).leafSeq).toBe(1);
    expect(reduce(there, updated(2, 2)).leafSeq).toBe(2);
  });

  it('asks for a page when the branch chosen elsewhere is not loaded', () => {
    const state = after(newest(page([message(8), message(9)])), updated(9, 3));
    expect(state).toMatchObject({ wants: 'history', leafSeq: 9 });
  });
});

describe('deltas', () => {
  it('append at their exact place, in UTF-16 code units', () => {
    const family = '👩‍👩‍👧';
    const state = after(asked, started, delta(0, family), delta(family.length, '!'));
    expect(family.length).toBe(8);
    expect(liveText(state)).toEqual([`${family}!`]);
  });

  it('add nothing twice and only the new part of an overlap', () => {
    const state = after(asked, started, delta(0, 'abcd'), delta(1, 'bc'), delta(2, 'cdef'));
    expect(liveText(state)).toEqual(['abcdef']);
  });

  it('that start past the end are refused and asked for again', () => {
    const state = after(asked, started, delta(0, 'ab'), delta(5, 'x'));
    expect(liveText(state)).toEqual(['ab']);
    expect(state.wants).toBe('replay');
  });

  it('are replaced by a snapshot', () => {
    const state = after(asked, started, delta(0, 'ab'), delta(0, 'xyz', { snapshot: true }));
    expect(liveText(state)).toEqual(['xyz']);
  });

  it('of reasoning are counted for themselves', () => {
    const state = after(asked, started, delta(0, 'hm', { kind: 'reasoning' }), delta(0, 'yes'));
    expect(state.live[0]).toMatchObject({ reasoning: 'hm', text: 'yes' });
  });

  it('of a later attempt begin anew and of an earlier one are ignored', () => {
    const state = after(asked, started, delta(0, 'first'), delta(0, 'sec', { attempt: 2 }), delta(5, '!', { attempt: 1 }));
    expect(state.live).toMatchObject([{ attempt: 2, text: 'sec' }]);
  });

  it('yield to the closing message, which is the truth', () => {
    const answer = message(2, { role: 'assistant', turnId: 't1', attempt: 1, status: 'complete', content: 'all of it' });
    const state = after(asked, started, delta(0, 'all'), received(answer));
    expect(state.live).toEqual([]);
    expect(reduce(state, delta(3, ' of it'))).toBe(state);
    expect(reduce(state, started)).toBe(state);
  });

  it('of a later attempt outlive the closing message of an earlier one', () => {
    const answer = message(2, { role: 'assistant', turnId: 't1', attempt: 1, status: 'failed' });
    const state = after(asked, started, delta(0, 'again', { attempt: 2 }), received(answer));
    expect(state.live).toMatchObject([{ attempt: 2, text: 'again' }]);
  });
});

describe('turns', () => {
  it('wait from the moment that their question is stored', () => {
    const state = after(asked, received(message(2, { turnId: 't2' })));
    expect(state.live).toMatchObject([{ turnId: 't2', status: 'queued', inReplyTo: 2 }]);
  });

  it('that a new subscription does not speak of are over when it has caught up', () => {
    const running = after(asked, started, delta(0, 'ab'), { type: 'line:off' }, { type: 'line:asked' }, subscribed());
    expect(liveText(running)).toEqual(['ab']);
    expect(reduce(running, caughtUp).live).toEqual([]);
  });

  it('that a new subscription names keep their text', () => {
    const active = [{ turnId: 't1', attempt: 1, inReplyTo: 1, status: 'running' as const }];
    const state = after(asked, started, delta(0, 'ab'), { type: 'line:off' }, subscribed({ activeTurns: active }), caughtUp);
    expect(liveText(state)).toEqual(['ab']);
  });

  it('of a session come back to are those of its page', () => {
    const left = after(asked, started, delta(0, 'ab'), { type: 'line:off' });
    expect(reduce(left, newest(page([message(1, { turnId: 't1' })]))).live).toEqual([]);
  });

  it('show a retry at once and take it back when it is refused', () => {
    const failed = message(2, { role: 'assistant', turnId: 't1', attempt: 1, status: 'failed' });
    const ended = after(asked, received(failed));
    const retried = reduce(ended, { type: 'retry:asked', turnId: 't1' });
    expect(retried.live).toMatchObject([{ turnId: 't1', attempt: 2, status: 'queued', inReplyTo: 1 }]);
    expect(reduce(retried, { type: 'retry:refused', turnId: 't1', unknown: false }).live).toEqual([]);
  });
});

describe('loading', () => {
  const error = { code: 'unreachable', message: 'no' };
  const failed = (missing: boolean): Event => ({ type: 'history:failed', what: 'newest', error, missing });

  it('paints a kept page at once, marked stale, until the server answers', () => {
    const cached = after({ type: 'history:cached', page: page([message(1)]) });
    expect(cached).toMatchObject({ phase: 'ready', stale: true });
    expect(reduce(cached, newest(page([message(1)]))).stale).toBe(false);
  });

  it('paints a kept page that is read only after the server failed', () => {
    const state = after(failed(false), { type: 'history:cached', page: page([message(1)]) });
    expect(state).toMatchObject({ phase: 'ready', stale: true, error: null });
  });

  it('never paints a kept page over what the server said', () => {
    const state = after(newest(page([message(1), message(2)])));
    expect(reduce(state, { type: 'history:cached', page: page([message(1)]) })).toBe(state);
  });

  it('keeps a kept page on screen when the server cannot be reached', () => {
    const state = after({ type: 'history:cached', page: page([message(1)]) }, failed(false));
    expect(state).toMatchObject({ phase: 'ready', stale: true });
  });

  it('shows an error when there is nothing else to show, until it is mended', () => {
    const state = after(failed(false));
    expect(state).toMatchObject({ phase: 'error', error });
    expect(reduce(state, { type: 'history:loading', what: 'newest' }).phase).toBe('error');
    expect(reduce(state, { type: 'history:loading', what: 'newest', anew: true }).phase).toBe('loading');
    expect(reduce(state, asked)).toMatchObject({ phase: 'ready', error: null });
  });

  it('says that a lost session is missing, whatever was kept of it', () => {
    expect(after({ type: 'history:cached', page: page([message(1)]) }, failed(true)).phase).toBe('missing');
  });

  it('gives up the cursor when an older page belongs to another epoch', () => {
    const other = page([message(1)], { cursor: { epoch: 'e2', seq: 9 } });
    const state = after(newest(page([message(2), message(3)])), { type: 'history:older', page: other });
    expect(state).toMatchObject({ wants: 'history', loadingOlder: false });
  });
});
