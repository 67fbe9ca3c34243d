import fc from 'fast-check';
import { expect, it, vi } from 'vitest';

import { ApiError } from '../../api/client';
import { OfflineDatabase, type OutboxItem } from '../../offline/database';
import { Outbox } from '../../offline/outbox';
import { ManualClock } from '../../realtime/testing';
import { Sender } from './sender';

/** A server that stores a send once, whatever comes how often, and may die before it says so. */
class StoringServer {
  readonly log: OutboxItem[] = [];
  readonly wire: OutboxItem[] = [];
  readonly made = new Set<string>();

  store(item: OutboxItem): number {
    const known = this.log.findIndex(({ clientMsgId }) => clientMsgId === item.clientMsgId);
    return known === -1 ? this.log.push(item) : known + 1;
  }
}

class Tab {
  up = false;
  readonly sender: Sender;
  private readonly outbox: Outbox;

  constructor(
    readonly server: StoringServer,
    readonly clock: ManualClock,
  ) {
    this.outbox = new Outbox(new OfflineDatabase());
    this.sender = new Sender({
      clock,
      random: () => 0.5,
      outbox: this.outbox,
      limits: () => ({ maxContent: 100, maxFrame: 10_000, inflight: 2, perMinute: 120 }),
      mayGo: () => this.up,
      transmit: (item) => this.up && this.server.wire.push(item) > 0,
      post: () => Promise.reject(new ApiError('internal', 'Not for small ones.', 500, false)),
      createSession: async (id) => {
        if (!this.up) throw new ApiError('unreachable', 'No line.', 0, true);
        this.server.made.add(id);
      },
      sessionMade: () => {},
      sessionUnknown: () => {},
      changed: () => {},
    });
  }

  send(sessionId: string, name: string): void {
    this.sender.add({
      clientMsgId: name,
      sessionId,
      content: name,
      createdAt: 0,
      order: this.outbox.nextOrder(this.clock.now()),
      createsSession: !this.server.made.has(sessionId),
      refusal: null,
    });
  }

  /** The server takes what is next on the wire; what becomes of the answer is the caller's choice. */
  serve(outcome: 'acked' | 'ack lost' | 'refused for now'): void {
    const item = this.server.wire.shift();
    if (item === undefined) return;
    const { clientMsgId, sessionId } = item;
    if (outcome === 'refused for now') {
      this.sender.refused({
        type: 'error',
        code: 'storage_unavailable',
        message: 'Later.',
        retryable: true,
        retryAfterMs: 50,
        clientMsgId,
        sessionId,
        turnId: null,
      });
      return;
    }
    const seq = this.server.store(item);
    if (outcome === 'ack lost') return this.drop();
    this.sender.acked({
      type: 'message:ack',
      sessionId,
      clientMsgId,
      messageId: `m${seq}`,
      epoch: 'e',
      seq,
      durability: 'committed',
      duplicate: false,
      turnId: null,
    });
  }

  drop(): void {
    this.up = false;
    this.server.wire.length = 0;
    this.sender.lineLost();
  }

  connect(): void {
    this.up = true;
    this.sender.release();
  }
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('send a', 'send b') },
  { weight: 4, arbitrary: fc.constant('acked') },
  { weight: 2, arbitrary: fc.constantFrom('ack lost', 'refused for now', 'drop', 'wait') },
  { weight: 3, arbitrary: fc.constant('connect') },
  { weight: 1, arbitrary: fc.constant('kill the tab') },
);

const settled = () => new Promise<void>((resolve) => queueMicrotask(() => queueMicrotask(resolve)));

it('every send is stored exactly once and in order, through any losses and killed tabs', async () => {
  vi.stubGlobal('indexedDB', undefined);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      localStorage.clear();
      const clock = new ManualClock();
      const server = new StoringServer();
      let tab = new Tab(server, clock);
      await tab.sender.start();
      const sent: Record<string, string[]> = { a: [], b: [] };
      let count = 0;
      for (const move of steps) {
        if (move === 'send a' || move === 'send b') {
          const session = move.slice(-1);
          const name = `${session}${(count += 1)}`;
          sent[session]?.push(name);
          tab.send(session, name);
        } else if (move === 'acked' || move === 'ack lost' || move === 'refused for now') tab.serve(move);
        else if (move === 'drop') tab.drop();
        else if (move === 'wait') clock.advance(11_000);
        else if (move === 'connect') tab.connect();
        else {
          tab.drop();
          tab = new Tab(server, clock);
          await tab.sender.start();
        }
        await settled();
      }
      tab.connect();
      for (let round = 0; round < count + 4; round += 1) {
        clock.advance(11_000);
        await settled();
        while (server.wire.length > 0) tab.serve('acked');
      }
      for (const session of ['a', 'b']) {
        const stored = server.log.filter(({ sessionId }) => sessionId === session);
        expect(stored.map(({ content }) => content)).toEqual(sent[session]);
      }
      expect(await new Outbox(new OfflineDatabase()).load(0)).toEqual([]);
    }),
    { numRuns: 300 },
  );
});
