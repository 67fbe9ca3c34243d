import { describe, expect, it } from 'vitest';

import type { Message } from '../wire/types';
import { emptyConversation, type ConversationState, type LiveAnswer } from './state';
import { SESSION } from './testing';
import { Viewer, type PendingSend, type TranscriptItem } from './view';

function row(seq: number, fields: Partial<Message> = {}): Message {
  return { id: `m${seq}`, seq, parentSeq: seq - 1, role: 'user', content: '', parts: [], timestamp: seq, ...fields };
}

const asks = (seq: number, turnId: string) => row(seq, { turnId, clientMsgId: `c-${turnId}` });
const answers = (seq: number, turnId: string, fields: Partial<Message> = {}) =>
  row(seq, { role: 'assistant', turnId, attempt: 1, status: 'complete', ...fields });

function live(turnId: string, fields: Partial<LiveAnswer> = {}): LiveAnswer {
  return { turnId, attempt: 1, inReplyTo: 1, text: '', reasoning: '', status: 'running', confirmed: true, ...fields };
}

function pending(id: string, fields: Partial<PendingSend> = {}): PendingSend {
  return { clientMsgId: id, sessionId: SESSION, content: 'hello', createdAt: 0, state: 'sending', ...fields };
}

function state(rows: Message[], fields: Partial<ConversationState> = {}): ConversationState {
  const leafSeq = rows.at(-1)?.seq ?? 0;
  return { ...emptyConversation(SESSION), phase: 'ready', epoch: 'e', head: leafSeq, leafSeq, rows, ...fields };
}

const keys = (items: TranscriptItem[]) => items.map((item) => item.key);
const seen = (of: ConversationState, sends: PendingSend[] = []) => new Viewer().of(of, sends);

describe('order', () => {
  it('shows a question that was queued after the answer that it waited for', () => {
    const rows = [asks(1, 'a'), asks(2, 'b'), answers(3, 'a'), answers(4, 'b')];
    expect(keys(seen(state(rows)).items)).toEqual(['u:c-a', 'a:a:1', 'u:c-b', 'a:b:1']);
  });

  it('shows each running or queued answer under its question, then what is being sent', () => {
    const rows = [asks(1, 'a'), asks(2, 'b')];
    const turns = [live('a', { text: 'hi' }), live('b', { status: 'queued', inReplyTo: 2 })];
    const view = seen(state(rows, { live: turns }), [pending('x')]);
    expect(keys(view.items)).toEqual(['u:c-a', 'a:a:1', 'u:c-b', 'a:b:1', 'u:x']);
    expect(view.items.map((item) => (item.kind === 'live' ? item.turn.phase : null))).toEqual([
      null,
      'streaming',
      null,
      'queued',
      null,
    ]);
    expect(view.runningTurnId).toBe('a');
  });

  it('follows the parents from the leaf, so a branch that was left is not shown', () => {
    const rows = [asks(1, 'a'), answers(2, 'a'), row(3, { turnId: 'b', parentSeq: 0 }), answers(4, 'b')];
    expect(seen(state(rows)).items).toHaveLength(2);
  });

  it('puts a new attempt in the place of the answer that it repeats', () => {
    const rows = [asks(1, 'a'), answers(2, 'a', { status: 'failed' })];
    const again = [live('a', { attempt: 2 })];
    expect(keys(seen(state(rows, { live: again })).items)).toEqual(['u:c-a', 'a:a:2']);
  });

  it('does not show the answer to a question of another branch', () => {
    const rows = [asks(1, 'a'), row(2, { turnId: 'b', parentSeq: 0 })];
    const view = seen(state(rows, { live: [live('a', { text: 'elsewhere' })] }));
    expect(keys(view.items)).toEqual(['m:m2']);
  });

  it('keeps logs without turns in the order of their branch', () => {
    const rows = [row(1), row(2, { role: 'assistant' }), row(3), row(4, { role: 'assistant' })];
    expect(keys(seen(state(rows)).items)).toEqual(['m:m1', 'm:m2', 'm:m3', 'm:m4']);
  });
});

describe('keys', () => {
  it('stay when a send becomes a message and a live answer becomes final', () => {
    const sending = seen(state([]), [pending('c-a')]);
    const answering = seen(state([asks(1, 'a')], { live: [live('a')] }), [pending('c-a')]);
    const final = seen(state([asks(1, 'a'), answers(2, 'a')]));
    expect(keys(sending.items)).toEqual(['u:c-a']);
    expect(keys(answering.items)).toEqual(['u:c-a', 'a:a:1']);
    expect(keys(final.items)).toEqual(['u:c-a', 'a:a:1']);
  });
});

describe('identity', () => {
  it('of every other item is kept while one answer streams', () => {
    const viewer = new Viewer();
    const rows = [asks(1, 'a'), answers(2, 'a'), asks(3, 'b')];
    const sends = [pending('x')];
    const before = viewer.of(state(rows, { live: [live('b', { inReplyTo: 3, text: 'o' })] }), sends);
    const grown = viewer.of(state(rows, { live: [live('b', { inReplyTo: 3, text: 'on' })] }), sends);
    expect(grown).not.toBe(before);
    expect(grown.items.map((item, index) => item === before.items[index])).toEqual([true, true, true, false, true]);
  });

  it('of the whole view is kept when nothing that it shows changed', () => {
    const viewer = new Viewer();
    const held = state([asks(1, 'a')]);
    const before = viewer.of(held, []);
    expect(viewer.of({ ...held, line: 'live' }, [])).toBe(before);
  });
});

describe('retry', () => {
  const failed = [asks(1, 'a'), answers(2, 'a', { status: 'failed' })];
  const retryOf = (items: TranscriptItem[]) =>
    items.map((item) => (item.kind === 'message' ? item.retryTurnId : null));

  it.each(['failed', 'interrupted', 'cancelled'] as const)('is offered on the last answer if it was %s', (status) => {
    expect(retryOf(seen(state([asks(1, 'a'), answers(2, 'a', { status })])).items)).toEqual([null, 'a']);
  });

  it('is not offered on a complete answer, before the end, or under a send', () => {
    expect(retryOf(seen(state([asks(1, 'a'), answers(2, 'a')])).items)).toEqual([null, null]);
    expect(retryOf(seen(state([...failed, asks(3, 'b')])).items)).toEqual([null, null, null]);
    expect(retryOf(seen(state(failed), [pending('x')]).items)).toEqual([null, null, null]);
  });
});

it('has older messages while the oldest that is held has a parent', () => {
  expect(seen(state([row(5), row(6)])).hasOlder).toBe(true);
  expect(seen(state([row(5), row(6)], { topSeq: 5 })).hasOlder).toBe(false);
  expect(seen(state([row(1), row(2)])).hasOlder).toBe(false);
});

describe('what can be done about an answer', () => {
  const offers = (items: TranscriptItem[]) =>
    items.map((item) => (item.kind === 'message' ? [item.retryTurnId, item.askAgainSeq] : null));
  const nothing = [null, null];
  const said = (seq: number, turnId: string, content: string) => ({ ...asks(seq, turnId), content });

  it.each(['failed', 'interrupted', 'cancelled'] as const)('that is %s and followed: its question is asked again', (status) => {
    const rows = [said(1, 'a', 'why'), answers(2, 'a', { status }), said(3, 'b', 'how'), answers(4, 'b')];
    expect(offers(seen(state(rows)).items)).toEqual([nothing, [null, 1], nothing, nothing]);
  });

  it('that is followed only by what is being sent: the same', () => {
    const rows = [said(1, 'a', 'why'), answers(2, 'a', { status: 'failed' })];
    expect(offers(seen(state(rows), [pending('x')]).items)).toEqual([nothing, [null, 1], null]);
  });

  it('is offered no more once the question is on its way or stored again', () => {
    const rows = [said(1, 'a', 'why'), answers(2, 'a', { status: 'failed' })];
    expect(offers(seen(state(rows), [pending('x', { content: 'why' })]).items)).toEqual([nothing, nothing, null]);
    const again = [...rows, said(3, 'b', 'why'), answers(4, 'b', { status: 'failed' })];
    expect(offers(seen(state(again)).items)).toEqual([nothing, nothing, nothing, ['b', null]]);
  });

  it('of a turn that the server does not know: its question is asked again', () => {
    const rows = [said(1, 'a', 'why'), answers(2, 'a', { status: 'failed' })];
    const viewer = new Viewer();
    expect(offers(viewer.of(state(rows), []).items)).toEqual([nothing, ['a', null]]);
    expect(offers(viewer.of(state(rows, { unknownTurns: ['a'] }), []).items)).toEqual([nothing, [null, 1]]);
  });

  it('whose question is not loaded: nothing', () => {
    const rows = [said(2, 'b', 'how'), answers(3, 'a', { status: 'failed' }), answers(4, 'b'), said(5, 'c', 'so'), answers(6, 'c')];
    expect(offers(seen(state(rows)).items)).toEqual([nothing, nothing, nothing, nothing, nothing]);
  });

  it('that is missing at the end: the question is asked again, unless it may run unseen', () => {
    const rows = [said(1, 'a', 'why'), answers(2, 'a'), row(3, { content: 'how' })];
    expect(offers(seen(state(rows)).items)).toEqual([nothing, nothing, [null, 3]]);
    expect(offers(seen(state(rows, { stale: true })).items)).toEqual([nothing, nothing, nothing]);
    expect(offers(seen(state([said(1, 'a', 'why')], { live: [live('a')] })).items)).toEqual([nothing, null]);
  });
});
