/**
 * A whole engine for tests, with a server that the test speaks for on both lines: the socket through
 * `FakeServer`, REST through `FakeRest`, and frames that are drawn when the test says so.
 */
import { vi } from 'vitest';

import { OfflineDatabase } from '../../offline/database';
import { FakeServer, ManualClock, eventually } from '../../realtime/testing';
import { isRecord, type Json } from '../../wire/fields';
import { ChatEngine } from './engine';

interface Call {
  method: string;
  path: string;
  body: Json;
  answer(data: Json): void;
  refuse(status: number, code: string): void;
  /** The line to the server breaks. */
  breakOff(): void;
}

/** Stands in for `fetch`: every call waits until the test answers it. */
export class FakeRest {
  readonly calls: Call[] = [];

  constructor() {
    vi.stubGlobal('fetch', (path: string, init: RequestInit) => this.take(path, init));
  }

  /** The oldest call to a path that the test has not taken, once it has come. */
  async next(method: string, path: string): Promise<Call> {
    return eventually(() => {
      const found = this.calls.find((call) => call.method === method && call.path.split('?')[0] === path);
      if (found === undefined) throw new Error(`nobody has called ${method} ${path}`);
      this.calls.splice(this.calls.indexOf(found), 1);
      return found;
    });
  }

  private take(path: string, init: RequestInit): Promise<Response> {
    const sent: unknown = typeof init.body === 'string' ? JSON.parse(init.body) : {};
    return new Promise((resolve, reject) => {
      init.signal?.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
      const reply = (status: number, json: Json) => resolve(new Response(JSON.stringify(json), { status }));
      this.calls.push({
        method: init.method ?? 'GET',
        path,
        body: isRecord(sent) ? sent : {},
        answer: (data) => reply(200, { success: true, data }),
        refuse: (status, code) =>
          reply(status, { success: false, error: { code, message: `It is ${code}.`, retryable: status >= 500 } }),
        breakOff: () => reject(new TypeError('failed to fetch')),
      });
    });
  }
}

/** What `load` answers for a log of plain questions and answers. */
export function historyOf(texts: readonly string[], fields: Json = {}): Json {
  const messages = texts.map((content, index) => ({
    id: `m${index + 1}`,
    seq: index + 1,
    parentSeq: index,
    role: index % 2 === 0 ? 'user' : 'assistant',
    content,
    parts: [{ type: 'text', text: content }],
    timestamp: '2026-01-31T12:00:00.000Z',
    turnId: `t${Math.floor(index / 2) + 1}`,
    ...(index % 2 === 0 ? {} : { attempt: 1, status: 'complete' }),
  }));
  return {
    conversationHistory: messages,
    hasMore: false,
    cursor: { epoch: 'e1', seq: texts.length },
    leafSeq: texts.length,
    activeTurns: [],
    ...fields,
  };
}

let databases = 0;

export class Bench {
  readonly clock = new ManualClock();
  readonly server = new FakeServer();
  readonly rest = new FakeRest();
  readonly visited: string[] = [];
  readonly engine: ChatEngine;
  private started: Promise<void> = Promise.resolve();
  private frames: (() => void)[] = [];

  constructor(database = new OfflineDatabase(`bench-${(databases += 1)}`)) {
    this.engine = new ChatEngine({
      url: 'ws://here/ws',
      clientId: 'tab',
      clock: this.clock,
      random: () => 1,
      dial: this.server.dial,
      nextFrame: (run) => this.frames.push(run),
      database,
      hasNetwork: () => true,
      goTo: (id) => this.visited.push(id),
    });
  }

  /** Connected and greeted. */
  online(): this {
    this.started = this.engine.start(true);
    this.server.end.welcome();
    return this;
  }

  /** A session on screen that has caught up with these messages. */
  async open(sessionId: string, texts: readonly string[] = []): Promise<void> {
    await this.started;
    this.engine.show(sessionId);
    (await this.rest.next('POST', `/api/sessions/${sessionId}/load`)).answer(historyOf(texts));
    await eventually(() => {
      if (this.server.end.payloads('subscribe').at(-1)?.['sessionId'] !== sessionId) throw new Error('not yet');
    });
    this.catchUp(sessionId, texts.length);
  }

  catchUp(sessionId: string, seq: number): void {
    this.server.end.say('subscribed', { sessionId, epoch: 'e1', head: seq, leafSeq: seq, recovered: true });
    this.server.end.say('sync:caught_up', { sessionId, seq });
  }

  frame(): void {
    const { frames } = this;
    this.frames = [];
    for (const run of frames) run();
  }

  get view() {
    return this.engine.store.getState().view;
  }

  /** What the transcript says, one line an item. */
  get lines(): string[] {
    return (this.view?.items ?? []).map((item) => {
      if (item.kind === 'message') return `${item.message.role}: ${item.message.content}`;
      if (item.kind === 'live') return `${item.turn.phase}: ${item.turn.text}`;
      return `${item.pending.state}: ${item.pending.content}`;
    });
  }

  /** The sends that are on the wire now. */
  get sent(): string[] {
    return this.server.end.payloads('message:sent').map((payload) => String(payload['content']));
  }

  /** Acks the newest send of a content and lets its message arrive. */
  store(content: string, seq: number, turnId = `t${seq}`): void {
    const sent = this.server.end.payloads('message:sent').findLast((payload) => payload['content'] === content);
    const { sessionId, clientMsgId } = sent ?? {};
    this.server.end.say('message:ack', { sessionId, clientMsgId, messageId: `m${seq}`, epoch: 'e1', seq, turnId });
    this.server.end.say(
      'message:received',
      { sessionId, clientMsgId, id: `m${seq}`, role: 'user', content, parts: [], timestamp: 1, parentSeq: seq - 1, turnId },
      { epoch: 'e1', seq },
    );
    this.frame();
  }
}
