import 'fake-indexeddb/auto';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { OfflineDatabase } from '../../offline/database';
import { Bench, historyOf } from './testing';
import { eventually } from '../../realtime/testing';

afterEach(() => localStorage.clear());

const delta = (off: number, text: string) => ({ sessionId: 's', turnId: 't1', attempt: 1, off, text });

describe('opening a session', () => {
  it('loads the newest page, then subscribes from its cursor', async () => {
    const bench = new Bench().online();
    await bench.open('s', ['hello', 'hi']);
    expect(bench.lines).toEqual(['user: hello', 'assistant: hi']);
    expect(bench.server.end.payloads('subscribe')).toEqual([{ sessionId: 's', epoch: 'e1', seq: 2, turns: {} }]);
  });

  it('subscribes with the welcome when the page came between the greeting and it', async () => {
    const bench = new Bench();
    void bench.engine.start(true);
    bench.engine.show('s');
    bench.server.end.accept();
    (await bench.rest.next('POST', '/api/sessions/s/load')).answer(historyOf(['hello']));
    await eventually(() => expect(bench.lines).toEqual(['user: hello']));
    bench.server.end.say('welcome', { v: 1, connId: 'c', serverTime: 0, heartbeatMs: 20_000, storage: 'ok' });
    expect(bench.server.end.payloads('subscribe')).toEqual([{ sessionId: 's', epoch: 'e1', seq: 1, turns: {} }]);
  });

  it('takes the last session asked for and drops replies that come after a switch', async () => {
    const bench = new Bench().online();
    bench.engine.show('a');
    const slow = await bench.rest.next('POST', '/api/sessions/a/load');
    await bench.open('b', ['of b']);
    slow.answer(historyOf(['of a']));
    expect(bench.lines).toEqual(['user: of b']);
    expect(bench.engine.store.getState().sessionId).toBe('b');
  });

  it('never shows an event of one session in another', async () => {
    const bench = new Bench().online();
    await bench.open('a', ['of a']);
    await bench.open('b', ['of b']);
    bench.server.end.say('turn:started', { sessionId: 'a', turnId: 't', attempt: 1, inReplyTo: 1 });
    bench.server.end.say('message:delta', { sessionId: 'a', turnId: 't', attempt: 1, off: 0, text: 'for a' });
    bench.frame();
    expect(bench.lines).toEqual(['user: of b']);
  });

  it('shows a session that was open before at once', async () => {
    const bench = new Bench().online();
    await bench.open('a', ['of a']);
    await bench.open('b', ['of b']);
    bench.engine.show('a');
    expect(bench.lines).toEqual(['user: of a']);
    expect(bench.server.end.payloads('unsubscribe')).toEqual([{ sessionId: 'a' }, { sessionId: 'b' }]);
  });

  it('says that a lost session is missing and makes no new one', async () => {
    const bench = new Bench().online();
    bench.engine.show('gone');
    (await bench.rest.next('POST', '/api/sessions/gone/load')).refuse(404, 'not_found');
    await eventually(() => expect(bench.view?.phase).toBe('missing'));
    expect(bench.rest.calls).toEqual([]);
  });

  it('tries again after a failure that may pass', async () => {
    const bench = new Bench().online();
    bench.engine.show('s');
    (await bench.rest.next('POST', '/api/sessions/s/load')).refuse(503, 'storage_unavailable');
    await eventually(() => expect(bench.view?.phase).toBe('error'));
    bench.clock.advance(1_000);
    (await bench.rest.next('POST', '/api/sessions/s/load')).answer(historyOf(['back']));
    await eventually(() => expect(bench.lines).toEqual(['user: back']));
  });

  it('paints the page that an earlier visit kept, marked stale, while the server is away', async () => {
    const database = new OfflineDatabase('kept');
    const before = new Bench(database).online();
    await before.open('s', ['kept']);
    before.engine.stop();
    const bench = new Bench(database);
    void bench.engine.start(true);
    bench.engine.show('s');
    await eventually(() => expect(bench.lines).toEqual(['user: kept']));
    expect(bench.view?.stale).toBe(true);
    (await bench.rest.next('POST', '/api/sessions/s/load')).answer(historyOf(['kept', 'and more']));
    await eventually(() => expect(bench.view?.stale).toBe(false));
    expect(bench.lines).toEqual(['user: kept', 'assistant: and more']);
  });

  it('keeps the page of a tab that was killed, even while an answer streamed', async () => {
    const database = new OfflineDatabase('killed');
    const killed = new Bench(database).online();
    await killed.open('s', ['go']);
    killed.server.end.say('turn:started', { sessionId: 's', turnId: 't1', attempt: 1, inReplyTo: 1 });
    for (let off = 0; off < 10; off += 1) {
      killed.server.end.say('message:delta', delta(off, 'x'));
      killed.frame();
      killed.clock.advance(100);
    }
    const kept = () => database.run((open) => open.getAll('pages'), []);
    await eventually(async () => expect(await kept()).toHaveLength(1));
    const bench = new Bench(database);
    bench.engine.show('s');
    await eventually(() => expect(bench.lines).toEqual(['user: go']));
  });

  it('loads older pages above what is shown', async () => {
    const bench = new Bench().online();
    const whole = historyOf(['one', 'two', 'three']);
    const messages = whole['conversationHistory'] as object[];
    bench.engine.show('s');
    const newest = { ...whole, conversationHistory: messages.slice(2), hasMore: true };
    (await bench.rest.next('POST', '/api/sessions/s/load')).answer(newest);
    await eventually(() => expect(bench.view?.hasOlder).toBe(true));
    const loading = bench.engine.verbs.loadOlder();
    expect(bench.view?.loadingOlder).toBe(true);
    const call = await bench.rest.next('GET', '/api/sessions/s/history');
    expect(call.path).toContain('before=3');
    call.answer({ ...whole, history: messages.slice(0, 2) });
    await loading;
    expect(bench.lines).toEqual(['user: one', 'assistant: two', 'user: three']);
    expect(bench.view).toMatchObject({ hasOlder: false, loadingOlder: false });
  });
});

describe('streaming', () => {
  it('changes the store once a frame, however many deltas came', async () => {
    const bench = new Bench().online();
    await bench.open('s', ['go']);
    bench.server.end.say('turn:started', { sessionId: 's', turnId: 't1', attempt: 1, inReplyTo: 1 });
    bench.frame();
    const changes = vi.fn();
    bench.engine.store.subscribe(changes);
    for (let off = 0; off < 100; off += 1) bench.server.end.say('message:delta', delta(off, 'x'));
    expect(changes).not.toHaveBeenCalled();
    bench.frame();
    expect(changes).toHaveBeenCalledTimes(1);
    expect(bench.lines).toEqual(['user: go', `streaming: ${'x'.repeat(100)}`]);
  });

  it('goes on after a lost line from the place where it stood', async () => {
    const bench = new Bench().online();
    await bench.open('s', ['go']);
    bench.server.end.say('turn:started', { sessionId: 's', turnId: 't1', attempt: 1, inReplyTo: 1 });
    bench.server.end.say('message:delta', delta(0, 'half of'));
    bench.server.end.drop(1006);
    bench.clock.advance(250);
    bench.server.end.accept();
    expect(bench.server.end.payloads('hello')[0]?.['subs']).toEqual([
      { sessionId: 's', epoch: 'e1', seq: 1, turns: { t1: { attempt: 1, off: 7 } } },
    ]);
    bench.server.end.welcome();
    bench.server.end.say('subscribed', {
      sessionId: 's',
      epoch: 'e1',
      head: 1,
      leafSeq: 1,
      recovered: true,
      activeTurns: [{ turnId: 't1', attempt: 1, inReplyTo: 1, status: 'running' }],
    });
    bench.server.end.say('message:delta', delta(7, ' it'));
    bench.server.end.say('sync:caught_up', { sessionId: 's', seq: 1 });
    expect(bench.lines).toEqual(['user: go', 'streaming: half of it']);
  });

  it('subscribes again when a delta shows that something was lost, at most once a second', async () => {
    const bench = new Bench().online();
    await bench.open('s', ['go']);
    bench.server.end.say('turn:started', { sessionId: 's', turnId: 't1', attempt: 1, inReplyTo: 1 });
    bench.server.end.say('message:delta', delta(5, 'late'));
    bench.frame();
    expect(bench.server.end.payloads('subscribe')).toHaveLength(2);
    bench.catchUp('s', 1);
    bench.server.end.say('message:delta', delta(9, 'later'));
    bench.frame();
    expect(bench.server.end.payloads('subscribe')).toHaveLength(2);
    bench.clock.advance(1_000);
    expect(bench.server.end.payloads('subscribe')).toHaveLength(3);
  });

  it('subscribes again when a pong names a head that does not come', async () => {
    const bench = new Bench().online();
    await bench.open('s', ['go']);
    bench.server.end.say('pong', { t: 1, heads: { s: 2 } });
    bench.clock.advance(2_000);
    expect(bench.server.end.payloads('subscribe')).toHaveLength(2);
  });

  it('subscribes again when a stored send does not come', async () => {
    const bench = new Bench().online();
    await bench.open('s', []);
    bench.engine.verbs.send('hello');
    const { clientMsgId } = bench.server.end.payloads('message:sent')[0] ?? {};
    bench.server.end.say('message:ack', { sessionId: 's', clientMsgId, messageId: 'm1', epoch: 'e1', seq: 1, turnId: 't1' });
    bench.clock.advance(2_000);
    expect(bench.server.end.payloads('subscribe')).toHaveLength(2);
  });

  it('subscribes again when a subscription lags or nothing comes of it', async () => {
    const bench = new Bench().online();
    await bench.open('s', ['go']);
    bench.server.end.say('sync:lagged', { sessionId: 's' });
    bench.frame();
    bench.server.end.say('sync:lagged', { sessionId: 's' });
    bench.frame();
    bench.clock.advance(1_000);
    expect(bench.server.end.payloads('subscribe')).toHaveLength(3);
    bench.clock.advance(9_999);
    bench.server.end.say('pong', { t: 1, heads: {} });
    bench.clock.advance(1);
    expect(bench.server.end.payloads('subscribe')).toHaveLength(4);
    bench.catchUp('s', 1);
    bench.clock.advance(10_000);
    expect(bench.server.end.payloads('subscribe')).toHaveLength(4);
  });

  it('loads the history anew when the log is not the one it knew', async () => {
    const bench = new Bench().online();
    await bench.open('s', ['old', 'log']);
    bench.server.end.say('subscribed', { sessionId: 's', epoch: 'e2', head: 1, leafSeq: 1, recovered: false, reason: 'epoch_mismatch' });
    bench.frame();
    (await bench.rest.next('POST', '/api/sessions/s/load')).answer(historyOf(['new'], { cursor: { epoch: 'e2', seq: 1 } }));
    await eventually(() => expect(bench.lines).toEqual(['user: new']));
    expect(bench.server.end.payloads('subscribe').at(-1)).toMatchObject({ epoch: 'e2', seq: 1 });
  });
});

describe('stop and retry', () => {
  const running = async (bench: Bench) => {
    await bench.open('s', ['go']);
    bench.server.end.say('turn:started', { sessionId: 's', turnId: 't1', attempt: 1, inReplyTo: 1 });
    bench.frame();
  };

  it('says stop again after a reconnect until the turn is over', async () => {
    const bench = new Bench().online();
    await running(bench);
    bench.engine.verbs.cancel();
    bench.server.end.drop(1006);
    bench.clock.advance(250);
    bench.server.end.welcome();
    expect(bench.server.end.payloads('turn:cancel')).toEqual([{ sessionId: 's', turnId: 't1' }]);
    bench.server.end.say('turn:ended', { sessionId: 's', turnId: 't1', attempt: 1, status: 'cancelled' });
    bench.server.end.drop(1006);
    bench.clock.advance(500);
    bench.server.end.welcome();
    expect(bench.server.end.payloads('turn:cancel')).toEqual([]);
  });

  it('shows a retry at once and takes it back when the server refuses', async () => {
    const bench = new Bench().online();
    await running(bench);
    const failed = { sessionId: 's', id: 'm2', role: 'assistant', content: 'oh', parts: [], timestamp: 1, parentSeq: 1 };
    bench.server.end.say('message:received', { ...failed, turnId: 't1', attempt: 1, status: 'failed' }, { epoch: 'e1', seq: 2 });
    bench.frame();
    expect(bench.view?.items.at(-1)).toMatchObject({ kind: 'message', retryTurnId: 't1' });
    bench.engine.verbs.retry('t1');
    expect(bench.lines).toEqual(['user: go', 'waiting: ']);
    expect(bench.server.end.payloads('turn:retry')).toEqual([{ sessionId: 's', turnId: 't1' }]);
    bench.server.end.say('error', { code: 'model_unavailable', message: 'No.', sessionId: 's', turnId: 't1' });
    expect(bench.lines).toEqual(['user: go', 'assistant: oh']);
  });
});

it('tells the ages of things by the server, whatever this clock says', () => {
  const bench = new Bench().online();
  expect(bench.engine.server.now()).toBe(5_000_000);
  bench.clock.advance(10);
  expect(bench.engine.server.now()).toBe(5_000_010);
});
