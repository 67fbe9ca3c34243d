import 'fake-indexeddb/auto';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { OfflineDatabase } from '../../offline/database';
import { Bench, historyOf } from './testing';
import { eventually } from '../../realtime/testing';

afterEach(() => localStorage.clear());

describe('the first message', () => {
  it('is on screen before anything was asked of the server', () => {
    const bench = new Bench();
    bench.engine.show(null);
    bench.engine.verbs.send('hello');
    expect(bench.lines).toEqual(['waiting: hello']);
    expect(bench.view?.phase).toBe('ready');
    expect(bench.visited).toEqual([bench.view?.sessionId]);
  });

  it('makes its session, follows it and goes out', async () => {
    const bench = new Bench().online();
    bench.engine.verbs.send('hello');
    const made = await bench.rest.next('POST', '/api/sessions');
    const sessionId = bench.view?.sessionId;
    expect(made.body).toEqual({ sessionId });
    expect(bench.sent).toEqual([]);
    made.answer({ session: { id: sessionId, createdAt: '2026-01-31T12:00:00.000Z' } });
    await eventually(() => expect(bench.sent).toEqual(['hello']));
    expect(bench.server.end.payloads('subscribe')).toEqual([{ sessionId, epoch: null, seq: 0, turns: {} }]);
    bench.catchUp(sessionId ?? '', 0);
    bench.store('hello', 1);
    expect(bench.lines).toEqual(['user: hello', 'waiting: ']);
  });

  it('does not hang when a second one is written while the session is being made', async () => {
    const bench = new Bench();
    await bench.engine.start(true);
    bench.server.end.welcome();
    bench.engine.verbs.send('one');
    const made = await bench.rest.next('POST', '/api/sessions');
    bench.engine.verbs.send('two');
    const sessionId = bench.view?.sessionId ?? '';
    made.answer({ session: { id: sessionId, createdAt: 1 } });
    await eventually(() => expect(bench.sent).toEqual(['one']));
    bench.catchUp(sessionId, 0);
    bench.store('one', 1);
    bench.store('two', 2);
    expect(bench.lines).toEqual(['user: one', 'waiting: ', 'user: two', 'queued: ']);
  });

  it('goes out although its session was made by an attempt whose answer was lost', async () => {
    const bench = new Bench().online();
    bench.engine.verbs.send('hello');
    (await bench.rest.next('POST', '/api/sessions')).breakOff();
    await eventually(() => expect(bench.lines).toEqual(['waiting: hello']));
    bench.clock.advance(2_000);
    (await bench.rest.next('POST', '/api/sessions')).refuse(409, 'session_exists');
    await eventually(() => expect(bench.sent).toEqual(['hello']));
  });

  it('survives a tab that is killed before the session was made', async () => {
    const database = new OfflineDatabase('killed-early');
    const killed = new Bench(database);
    killed.engine.verbs.send('hello');
    const sessionId = killed.view?.sessionId ?? '';
    const bench = new Bench(database);
    bench.engine.show(sessionId);
    bench.online();
    await eventually(() => expect(bench.view?.phase).toBe('ready'));
    expect(bench.lines).toEqual(['sending: hello']);
    const made = await bench.rest.next('POST', '/api/sessions');
    expect(made.body).toEqual({ sessionId });
  });
});

describe('sends', () => {
  it('keep their order: the second waits for the ack of the first', async () => {
    const bench = new Bench().online();
    await bench.open('s');
    bench.engine.verbs.send('one');
    bench.engine.verbs.send('two');
    expect(bench.sent).toEqual(['one']);
    bench.store('one', 1);
    expect(bench.sent).toEqual(['one', 'two']);
    bench.store('two', 2);
    expect(bench.lines).toEqual(['user: one', 'waiting: ', 'user: two', 'queued: ']);
  });

  it('wait for the session to catch up', async () => {
    const bench = new Bench().online();
    await bench.open('s');
    bench.server.end.drop(1006);
    bench.engine.verbs.send('later');
    bench.clock.advance(250);
    bench.server.end.welcome();
    expect(bench.sent).toEqual([]);
    bench.catchUp('s', 0);
    expect(bench.sent).toEqual(['later']);
  });

  it('go again under the same id when the line broke before the ack', async () => {
    const bench = new Bench().online();
    await bench.open('s');
    bench.engine.verbs.send('hello');
    const first = bench.server.end.payloads('message:sent')[0]?.['clientMsgId'];
    bench.server.end.drop(1006);
    expect(bench.lines).toEqual(['waiting: hello']);
    bench.clock.advance(250);
    bench.server.end.welcome();
    bench.catchUp('s', 0);
    expect(bench.server.end.payloads('message:sent')[0]?.['clientMsgId']).toBe(first);
  });

  it('go again when no ack comes', async () => {
    const bench = new Bench().online();
    await bench.open('s');
    bench.engine.verbs.send('hello');
    for (let beat = 0; beat < 10; beat += 1) {
      bench.clock.advance(1_000);
      bench.server.end.say('pong', { t: 1, heads: {} });
    }
    expect(bench.sent).toEqual(['hello', 'hello']);
  });

  it('that were stored before the line broke are not shown twice', async () => {
    const bench = new Bench().online();
    await bench.open('s');
    bench.engine.verbs.send('hello');
    const clientMsgId = bench.server.end.payloads('message:sent')[0]?.['clientMsgId'];
    bench.server.end.drop(1006);
    bench.clock.advance(250);
    bench.server.end.welcome();
    bench.server.end.say('subscribed', { sessionId: 's', epoch: 'e1', head: 1, leafSeq: 1, recovered: true });
    const row = { sessionId: 's', id: 'm1', clientMsgId, role: 'user', content: 'hello', parts: [], timestamp: 1, parentSeq: 0 };
    bench.server.end.say('message:received', row, { epoch: 'e1', seq: 1 });
    bench.server.end.say('sync:caught_up', { sessionId: 's', seq: 1 });
    expect(bench.lines).toEqual(['user: hello']);
    bench.store('hello', 1);
    expect(bench.lines).toEqual(['user: hello']);
  });

  it.each(['storage_unavailable', 'rate_limited', 'draining'])('wait and go again after %s', async (code) => {
    const bench = new Bench().online();
    await bench.open('s');
    bench.engine.verbs.send('hello');
    const { clientMsgId } = bench.server.end.payloads('message:sent')[0] ?? {};
    bench.server.end.say('error', { code, message: 'No.', retryable: true, retryAfterMs: 3_000, clientMsgId });
    expect(bench.lines).toEqual(['waiting: hello']);
    bench.clock.advance(2_999);
    expect(bench.sent).toEqual(['hello']);
    bench.clock.advance(1);
    expect(bench.sent).toEqual(['hello', 'hello']);
  });

  it('go at once when storage is well again', async () => {
    const bench = new Bench().online();
    await bench.open('s');
    bench.engine.verbs.send('hello');
    const { clientMsgId } = bench.server.end.payloads('message:sent')[0] ?? {};
    bench.server.end.say('error', { code: 'storage_unavailable', message: 'No.', retryable: true, retryAfterMs: 60_000, clientMsgId });
    bench.server.end.say('server:status', { storage: 'ok' });
    expect(bench.sent).toEqual(['hello', 'hello']);
  });

  it('of every session wait while the server takes none', async () => {
    const bench = new Bench().online();
    await bench.open('s');
    bench.engine.verbs.send('hello');
    const { clientMsgId } = bench.server.end.payloads('message:sent')[0] ?? {};
    bench.server.end.say('error', { code: 'rate_limited', message: 'No.', retryable: true, retryAfterMs: 3_000, clientMsgId });
    await bench.open('other');
    bench.engine.verbs.send('there');
    expect(bench.sent).toEqual(['hello']);
    bench.clock.advance(3_000);
    expect(bench.sent).toEqual(['hello', 'hello', 'there']);
  });

  it('go out once each when a refused one stands among them', async () => {
    const bench = new Bench();
    bench.engine.show('a');
    bench.engine.verbs.send('far too long');
    bench.engine.show('b');
    bench.engine.verbs.send('short');
    bench.engine.show(null);
    void bench.engine.start(true);
    bench.server.end.welcome({ limits: { maxContent: 10, maxFrame: 100_000, inflight: 16, perMinute: 120 } });
    await eventually(() => expect(bench.sent).toEqual(['short']));
  });

  it('that are refused stay with their reason, hold nobody up, and can be sent again or discarded', async () => {
    const bench = new Bench().online();
    await bench.open('s');
    bench.engine.verbs.send('bad');
    bench.engine.verbs.send('good');
    const clientMsgId = String(bench.server.end.payloads('message:sent')[0]?.['clientMsgId']);
    bench.server.end.say('error', { code: 'bad_request', message: 'Not this.', retryable: false }, { ref: clientMsgId });
    expect(bench.lines).toEqual(['refused: bad', 'sending: good']);
    expect(bench.view?.items[0]).toMatchObject({ pending: { error: { code: 'bad_request', message: 'Not this.' } } });
    bench.store('good', 1);
    bench.engine.verbs.resendPending(clientMsgId);
    expect(bench.sent).toEqual(['bad', 'good', 'bad']);
    bench.server.end.say('error', { code: 'bad_request', message: 'Not this.', clientMsgId });
    bench.engine.verbs.discardPending(clientMsgId);
    expect(bench.lines).toEqual(['user: good', 'waiting: ']);
  });

  it('find out that their session was deleted by a program that told nobody', async () => {
    const bench = new Bench().online();
    await bench.open('s', ['hi', 'hello']);
    bench.engine.verbs.send('late');
    const clientMsgId = bench.server.end.payloads('message:sent')[0]?.['clientMsgId'];
    bench.server.end.say('error', { code: 'not_found', message: 'There is no such session.', sessionId: 's', clientMsgId });
    expect(bench.lines.at(-1)).toBe('refused: late');
    (await bench.rest.next('POST', '/api/sessions/s/load')).refuse(404, 'not_found');
    await eventually(() => expect(bench.view?.phase).toBe('missing'));
    expect(bench.lines.at(-1)).toBe('refused: late');
    bench.engine.verbs.reload();
    (await bench.rest.next('POST', '/api/sessions/s/load')).answer(historyOf(['hi', 'hello']));
    await eventually(() => expect(bench.view?.phase).toBe('ready'));
    bench.catchUp('s', 2);
    expect(bench.lines.at(-1)).toBe('refused: late');
  });

  it('that are too long are refused here, before the server would close the line', async () => {
    const bench = new Bench();
    await bench.engine.start(true);
    bench.server.end.welcome({ limits: { maxContent: 10, maxFrame: 100_000, inflight: 16, perMinute: 120 } });
    await bench.open('s');
    bench.engine.verbs.send('👍'.repeat(10));
    expect(bench.sent).toHaveLength(1);
    bench.store('👍'.repeat(10), 1);
    bench.engine.verbs.send('👍'.repeat(11));
    expect(bench.sent).toHaveLength(1);
    expect(bench.view?.items.at(-1)).toMatchObject({ pending: { state: 'refused', error: { code: 'too_large' } } });
  });

  describe('that are too large for a frame', () => {
    const limits = { maxContent: 200_000, maxFrame: 262_144, inflight: 16, perMinute: 120 };
    const large = '語'.repeat(200_000);
    const opened = async () => {
      const bench = new Bench();
      await bench.engine.start(true);
      bench.server.end.welcome({ limits });
      await bench.open('s');
      bench.engine.verbs.send(large);
      bench.engine.verbs.send('small');
      return { bench, post: await bench.rest.next('POST', '/api/sessions/s/messages') };
    };

    it('are posted, acked like any other, and overtaken by none', async () => {
      const { bench, post } = await opened();
      expect(bench.sent).toEqual([]);
      expect(bench.lines).toEqual([`sending: ${large}`, 'waiting: small']);
      const { clientMsgId } = post.body;
      expect(post.body).toEqual({ clientMsgId, content: large });
      post.answer({ sessionId: 's', clientMsgId, messageId: 'm1', epoch: 'e1', seq: 1, durability: 'committed', turnId: 't1' });
      await eventually(() => expect(bench.sent).toEqual(['small']));
      const row = { sessionId: 's', clientMsgId, id: 'm1', role: 'user', content: large, parts: [], timestamp: 1, parentSeq: 0, turnId: 't1' };
      bench.server.end.say('message:received', row, { epoch: 'e1', seq: 1 });
      bench.store('small', 2);
      expect(bench.lines).toEqual([`user: ${large}`, 'waiting: ', 'user: small', 'queued: ']);
    });

    it('go again under the same id when the post came to nothing', async () => {
      const { bench, post } = await opened();
      post.breakOff();
      await eventually(() => expect(bench.lines[0]).toBe(`waiting: ${large}`));
      bench.clock.advance(2_000);
      const again = await bench.rest.next('POST', '/api/sessions/s/messages');
      expect(again.body).toEqual(post.body);
    });

    it('are refused with the reason of the server', async () => {
      const { bench, post } = await opened();
      post.refuse(413, 'too_large');
      await eventually(() => expect(bench.lines).toEqual([`refused: ${large}`, 'sending: small']));
      expect(bench.view?.items[0]).toMatchObject({ pending: { error: { code: 'too_large', message: 'It is too_large.' } } });
    });
  });

  it('left by a killed tab go out oldest first, whatever this browser clock did', async () => {
    const database = new OfflineDatabase('left');
    const killed = new Bench(database);
    killed.clock.advance(5_000_000);
    killed.engine.show('s');
    for (const text of ['one', 'two', 'three']) killed.engine.verbs.send(text);
    const bench = new Bench(database).online();
    for (const [index, text] of ['one', 'two', 'three'].entries()) {
      await eventually(() => expect(bench.sent.at(-1)).toBe(text));
      bench.store(text, index + 1);
    }
    expect(bench.sent).toEqual(['one', 'two', 'three']);
  });

  it('are not overtaken by one that is made before they were read', async () => {
    const database = new OfflineDatabase('overtaken');
    const killed = new Bench(database);
    killed.engine.show('s');
    killed.engine.verbs.send('old');
    const bench = new Bench(database);
    bench.clock.advance(1);
    void bench.engine.start(true);
    bench.engine.show('s');
    bench.engine.verbs.send('new');
    bench.engine.show(null);
    bench.server.end.welcome();
    await eventually(() => expect(bench.sent).toEqual(['old']));
    bench.store('old', 1);
    expect(bench.sent).toEqual(['old', 'new']);
  });

  it('do not wait for a database that hangs', () => {
    const database = new OfflineDatabase('hangs');
    vi.spyOn(database, 'run').mockReturnValue(new Promise(() => {}));
    const bench = new Bench(database).online();
    bench.engine.show('s');
    bench.engine.verbs.send('hello');
    bench.engine.show(null);
    expect(bench.sent).toEqual([]);
    bench.clock.advance(2_000);
    expect(bench.sent).toEqual(['hello']);
  });

  it('leave the outbox with their ack, so that the next visit sends nothing', async () => {
    const database = new OfflineDatabase('acked');
    const before = new Bench(database).online();
    await before.open('s');
    before.engine.verbs.send('hello');
    before.store('hello', 1);
    const left = () => database.run((open) => open.getAll('outbox'), []);
    await eventually(async () => expect(await left()).toEqual([]));
    expect(Object.keys(localStorage).filter((name) => name.includes('outbox'))).toEqual([]);
  });

  it('clear the draft that they were typed as, and no other', async () => {
    const bench = new Bench().online();
    await bench.open('s');
    bench.engine.drafts.set('s', 'half a thought');
    bench.engine.verbs.send('a suggestion');
    expect(bench.engine.drafts.get('s')).toBe('half a thought');
    bench.engine.verbs.send('half a thought');
    expect(bench.engine.drafts.get('s')).toBe('');
  });
});
