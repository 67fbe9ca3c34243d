/**
 * A whole engine against a server whose frames and answers come late, in any order between the two
 * lines, or not at all. However it went, once all is well every message and its answer are on screen.
 */
import fc from 'fast-check';
import { expect, it, vi } from 'vitest';

import { OfflineDatabase } from '../../offline/database';
import type { ServerEnd } from '../../realtime/testing';
import { record, text, type Json } from '../../wire/fields';
import { Bench } from './testing';

interface Said {
  role: 'user' | 'assistant';
  content: string;
  turnId: string;
  clientMsgId?: unknown;
  attempt?: number;
  status?: 'complete';
}

interface Row extends Said {
  seq: number;
}

/** One session, which the page makes; linear, and answered when the test says so. */
class LateServer {
  made = false;
  readonly log: Row[] = [];
  private readonly heard = new Map<ServerEnd, number>();
  private readonly out = new Map<ServerEnd, (() => void)[]>();
  private readonly following = new Set<ServerEnd>();
  private replies: (() => void)[] = [];

  constructor(readonly sessionId: string) {}

  /** Takes the next frame that the page said; false when there is none. */
  serve(end: ServerEnd): boolean {
    const at = this.heard.get(end) ?? 0;
    const frame = end.heard[at];
    if (frame === undefined || end.closed) return false;
    this.heard.set(end, at + 1);
    const payload = record(frame, 'payload') ?? {};
    switch (text(frame, 'type')) {
      case 'hello':
        this.say(end, 'welcome', { v: 1, connId: 'c', serverTime: 1, heartbeatMs: 20_000, storage: 'ok' });
        for (const sub of payload['subs'] as Json[]) this.follow(end, Number(sub['seq']));
        break;
      case 'subscribe':
        this.follow(end, Number(payload['seq']));
        break;
      case 'unsubscribe':
        this.following.delete(end);
        break;
      case 'message:sent':
        this.store(end, payload);
        break;
      case 'ping':
        this.say(end, 'pong', { heads: this.following.has(end) ? { [this.sessionId]: this.log.length } : {} });
    }
    return true;
  }

  /** Lets the next frame reach the page; false when none is on its way. */
  deliver(end: ServerEnd): boolean {
    const next = end.closed ? undefined : this.out.get(end)?.shift();
    next?.();
    return next !== undefined;
  }

  /** Carries out the oldest call of the page; its answer waits for `reply`, or is lost. */
  take({ rest }: Bench, lost: boolean): boolean {
    const call = rest.calls.shift();
    if (call === undefined) return false;
    if (call.path === '/api/sessions') {
      const taken = this.made;
      this.made = true;
      const answer = taken ? () => call.refuse(409, 'session_exists') : () => call.answer({ session: { id: this.sessionId, createdAt: 1 } });
      this.replies.push(lost ? () => call.breakOff() : answer);
      return true;
    }
    const messages = this.log.map((row) => ({ ...row, timestamp: '2026-01-31T12:00:00.000Z' }));
    const cursor = { epoch: 'e1', seq: this.log.length };
    const page = { conversationHistory: messages, hasMore: false, cursor, leafSeq: cursor.seq, activeTurns: this.turns() };
    const answer = this.made ? () => call.answer(page) : () => call.refuse(404, 'not_found');
    this.replies.push(lost ? () => call.breakOff() : answer);
    return true;
  }

  reply(): boolean {
    const next = this.replies.shift();
    next?.();
    return next !== undefined;
  }

  /** Ends the oldest turn that is not over. */
  answer(): boolean {
    const asked = this.unanswered()[0];
    if (asked === undefined) return false;
    const { turnId, content } = asked;
    this.append({ role: 'assistant', content: `re ${content}`, turnId, attempt: 1, status: 'complete' });
    return true;
  }

  /** What the page should show in the end. */
  get lines(): string[] {
    return this.log.filter(({ role }) => role === 'user').flatMap(({ content }) => [`user: ${content}`, `assistant: re ${content}`]);
  }

  private follow(end: ServerEnd, after: number): void {
    const { sessionId } = this;
    if (!this.made) return this.say(end, 'error', { code: 'not_found', message: 'No.', sessionId });
    const head = this.log.length;
    this.say(end, 'subscribed', { sessionId, epoch: 'e1', head, leafSeq: head, recovered: true, activeTurns: this.turns() });
    for (const row of this.log.slice(after)) this.tell(end, row);
    this.say(end, 'sync:caught_up', { sessionId, seq: head });
    this.following.add(end);
  }

  private store(end: ServerEnd, { clientMsgId, content }: Json): void {
    const known = this.log.find((row) => row.clientMsgId === clientMsgId);
    const seq = known?.seq ?? this.log.length + 1;
    const ack = { clientMsgId, messageId: `m${seq}`, epoch: 'e1', seq, turnId: known?.turnId ?? `t${seq}` };
    this.say(end, 'message:ack', { sessionId: this.sessionId, ...ack });
    if (known === undefined) this.append({ role: 'user', content: String(content), turnId: `t${seq}`, clientMsgId });
  }

  private append(said: Said): void {
    const seq = this.log.length + 1;
    const row = { id: `m${seq}`, seq, parentSeq: seq - 1, parts: [], timestamp: 1, ...said };
    this.log.push(row);
    for (const end of this.following) this.tell(end, row);
  }

  private tell(end: ServerEnd, row: Row): void {
    this.say(end, 'message:received', { sessionId: this.sessionId, ...row }, { epoch: 'e1', seq: row.seq });
  }

  private say(end: ServerEnd, type: string, payload: Json, frame: Json = {}): void {
    const waiting = this.out.get(end) ?? [];
    waiting.push(() => end.say(type, payload, frame));
    this.out.set(end, waiting);
  }

  private unanswered(): Row[] {
    return this.log.filter((row) => row.role === 'user' && !this.log.some((other) => other.role === 'assistant' && other.turnId === row.turnId));
  }

  private turns(): Json[] {
    return this.unanswered().map(({ turnId, seq }, index) => ({ turnId, attempt: 1, inReplyTo: seq, status: index === 0 ? 'running' : 'queued' }));
  }
}

const steps = ['send', 'accept', 'serve', 'deliver', 'deliver', 'take', 'take and lose', 'reply', 'answer', 'frame', 'wait', 'drop', 'reload'] as const;

const settled = () => new Promise<void>((resolve) => setTimeout(resolve));

it('every message and its answer are on screen in the end, whatever came late, twice or never', async () => {
  vi.stubGlobal('indexedDB', undefined);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...steps), { maxLength: 60 }), async (moves) => {
      localStorage.clear();
      const open = () => {
        const bench = new Bench(new OfflineDatabase());
        void bench.engine.start(true);
        return bench;
      };
      let bench = open();
      const accepted = new Set<ServerEnd>();
      const accept = () => {
        const { end } = bench.server;
        if (!end.closed && !accepted.has(end)) {
          accepted.add(end);
          end.accept();
        }
      };
      const sent = ['first'];
      bench.engine.verbs.send('first');
      const server = new LateServer(bench.view?.sessionId ?? '');
      for (const move of moves) {
        const { end } = bench.server;
        if (move === 'send') bench.engine.verbs.send(sent[sent.push(`m${sent.length}`) - 1] ?? '');
        else if (move === 'accept') accept();
        else if (move === 'serve') server.serve(end);
        else if (move === 'deliver') server.deliver(end);
        else if (move === 'take' || move === 'take and lose') server.take(bench, move !== 'take');
        else if (move === 'reply') server.reply();
        else if (move === 'answer') server.answer();
        else if (move === 'frame') bench.frame();
        else if (move === 'wait') bench.clock.advance(1_000);
        else if (move === 'drop' && !end.closed) end.drop(1006);
        else if (move === 'reload') {
          bench.engine.stop();
          bench = open();
          bench.engine.show(server.sessionId);
        }
        await settled();
      }
      for (let round = 0; round < 60; round += 1) {
        accept();
        while (server.serve(bench.server.end) || server.deliver(bench.server.end)) bench.frame();
        while (server.take(bench, false) || server.reply()) await settled();
        while (round > 30 && server.answer());
        bench.frame();
        bench.clock.advance(1_000);
        await settled();
      }
      expect(bench.lines).toEqual(server.lines);
      expect(server.log.filter(({ role }) => role === 'user').map(({ content }) => content)).toEqual(sent);
      bench.engine.stop();
    }),
    { numRuns: 100 },
  );
}, 120_000);
