/**
 * Sends that the server has not acknowledged, kept through a killed tab.
 *
 * Owns their storage and their order. Owns no sending (`conversation/sending/sender.ts`). An item is in the
 * journal before `put` returns and leaves it when the database has committed; without a database it
 * stays in the journal until it is removed.
 */
import { count, flag, isRecord, record, text } from '../wire/fields';
import type { OfflineDatabase, OutboxItem } from './database';
import { Journal } from './journal';

const MONTH_MS = 30 * 24 * 60 * 60 * 1_000;

export class Outbox {
  private readonly journal = new Journal('outbox');
  private lastOrder = 0;

  constructor(private readonly database: OfflineDatabase) {}

  /** Everything unacknowledged, oldest first; refused sends that are a month old are let go. */
  async load(now: number): Promise<OutboxItem[]> {
    const stored = await this.database.run((database) => database.getAll('outbox'), []);
    const items = new Map(stored.map((item) => [item.clientMsgId, item]));
    for (const value of this.journal.entries().values()) {
      const item = itemOf(value);
      if (item !== null) items.set(item.clientMsgId, item);
    }
    const isForgotten = ({ refusal, order }: OutboxItem) => refusal !== null && order < now - MONTH_MS;
    const ordered = [...items.values()].filter((item) => {
      if (isForgotten(item)) this.remove(item.clientMsgId);
      return !isForgotten(item);
    });
    ordered.sort((a, b) => a.order - b.order);
    this.lastOrder = Math.max(this.lastOrder, ordered.at(-1)?.order ?? 0);
    return ordered;
  }

  /** A number above that of every earlier send. */
  nextOrder(now: number): number {
    this.lastOrder = Math.max(now, this.lastOrder + 1);
    return this.lastOrder;
  }

  put(item: OutboxItem): void {
    this.journal.write(item.clientMsgId, item);
    void this.database
      .run(async (database) => {
        await database.put('outbox', item);
        return true;
      }, false)
      .then((kept) => {
        if (kept) this.journal.remove(item.clientMsgId);
      });
  }

  remove(clientMsgId: string): void {
    this.journal.remove(clientMsgId);
    void this.database.run((database) => database.delete('outbox', clientMsgId), undefined);
  }
}

function itemOf(value: unknown): OutboxItem | null {
  if (!isRecord(value)) return null;
  const clientMsgId = text(value, 'clientMsgId');
  const sessionId = text(value, 'sessionId');
  const content = text(value, 'content');
  if (clientMsgId === null || sessionId === null || content === null) return null;
  const refusal = record(value, 'refusal');
  return {
    clientMsgId,
    sessionId,
    content,
    createdAt: count(value, 'createdAt') ?? 0,
    order: count(value, 'order') ?? 0,
    createsSession: flag(value, 'createsSession'),
    refusal:
      refusal === null
        ? null
        : { code: text(refusal, 'code') ?? 'internal', message: text(refusal, 'message') ?? '' },
  };
}
