import 'fake-indexeddb/auto';

import { afterEach, expect, it } from 'vitest';

import { Bench } from './testing';

afterEach(() => localStorage.clear());

/** A session whose first answer failed and was followed by another question and its answer. */
async function followed(bench: Bench): Promise<void> {
  await bench.open('s', ['why', 'half of', 'how', 'like this']);
}

function broken(bench: Bench, seq: number, turnId: string): void {
  const row = { sessionId: 's', id: `m${seq}`, role: 'assistant', content: 'half', parts: [], timestamp: 1, parentSeq: seq - 1 };
  bench.server.end.say('message:received', { ...row, turnId, attempt: 1, status: 'interrupted' }, { epoch: 'e1', seq });
  bench.frame();
}

const offered = (bench: Bench) =>
  (bench.view?.items ?? []).flatMap((item) => (item.kind === 'message' && item.askAgainSeq != null ? [item.askAgainSeq] : []));

it('asks the question of a followed broken answer again, at the end and once however often it is clicked', async () => {
  const bench = new Bench().online();
  await followed(bench);
  bench.engine.verbs.send('and then?');
  bench.store('and then?', 5);
  broken(bench, 6, 't5');
  bench.engine.verbs.send('next');
  expect(offered(bench)).toEqual([5]);
  bench.engine.drafts.set('s', 'half a thought');
  bench.engine.verbs.askAgain(5);
  bench.engine.verbs.askAgain(5);
  bench.store('next', 7);
  bench.store('and then?', 8);
  bench.engine.verbs.askAgain(5);
  expect(bench.sent).toEqual(['and then?', 'next', 'and then?']);
  const ids = bench.server.end.payloads('message:sent').map((payload) => payload['clientMsgId']);
  expect(new Set(ids).size).toBe(3);
  expect(bench.engine.drafts.get('s')).toBe('half a thought');
});

it('asks an unanswered question at the end again, and no other', async () => {
  const bench = new Bench().online();
  await bench.open('s', ['why', 'because', 'and how?']);
  expect(offered(bench)).toEqual([3]);
  bench.engine.verbs.askAgain(1);
  bench.engine.verbs.askAgain(3);
  bench.engine.verbs.askAgain(3);
  expect(bench.sent).toEqual(['and how?']);
});

it('offers to ask again once the server says that it does not know the turn', async () => {
  const bench = new Bench().online();
  await bench.open('s', ['why']);
  broken(bench, 2, 't1');
  bench.engine.verbs.retry('t1');
  bench.server.end.say('error', { code: 'not_found', message: 'There is no such turn.', sessionId: 's', turnId: 't1' });
  expect(bench.lines).toEqual(['user: why', 'assistant: half']);
  expect(offered(bench)).toEqual([1]);
});

it('remembers a stop that is asked for without a line, and says so until the turn is over', async () => {
  const bench = new Bench().online();
  await bench.open('s', ['go']);
  bench.server.end.say('turn:started', { sessionId: 's', turnId: 't1', attempt: 1, inReplyTo: 1 });
  bench.frame();
  bench.server.end.drop(1006);
  bench.engine.verbs.cancel();
  const stopping = () => [...bench.engine.store.getState().stopping];
  expect(stopping()).toEqual(['t1']);
  bench.clock.advance(250);
  bench.server.end.welcome();
  expect(bench.server.end.payloads('turn:cancel')).toEqual([{ sessionId: 's', turnId: 't1' }]);
  bench.server.end.say('turn:ended', { sessionId: 's', turnId: 't1', attempt: 1, status: 'cancelled' });
  expect(stopping()).toEqual([]);
});
