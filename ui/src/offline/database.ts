/**
 * The browser's database, when it lets us have one.
 *
 * Owns opening IndexedDB and the shape of its stores. Private windows, full disks and locked profiles
 * refuse at any moment: `run` then gives the caller's substitute instead of throwing, and the page
 * goes on in memory with `journal.ts` behind it.
 */
import { openDB, type DBSchema, type IDBPDatabase } from 'idb';

import type { HistoryPage, WireError } from '../wire/types';

/** A send that no ack has answered yet. */
export interface OutboxItem {
  clientMsgId: string;
  sessionId: string;
  content: string;
  createdAt: number;
  /** Grows with each send of this browser, whatever its clock does. */
  order: number;
  /** The session must be made before this goes out. */
  createsSession: boolean;
  /** Why the server will not have it. */
  refusal: WireError | null;
}

interface Stores extends DBSchema {
  outbox: { key: string; value: OutboxItem };
  drafts: { key: string; value: { key: string; text: string } };
  pages: {
    key: string;
    value: { sessionId: string; savedAt: number; page: HistoryPage };
    indexes: { savedAt: number };
  };
}

export type Database = IDBPDatabase<Stores>;

export class OfflineDatabase {
  private opening: Promise<Database | null> | null = null;

  constructor(private readonly name = 'cipher') {}

  /** What the work gives, or the substitute if the database is not to be had. */
  async run<T>(work: (database: Database) => Promise<T>, substitute: T): Promise<T> {
    this.opening ??= this.open();
    const database = await this.opening;
    if (database === null) return substitute;
    try {
      return await work(database);
    } catch {
      return substitute;
    }
  }

  private async open(): Promise<Database | null> {
    try {
      return await openDB<Stores>(this.name, 1, {
        upgrade(database) {
          database.createObjectStore('outbox', { keyPath: 'clientMsgId' });
          database.createObjectStore('drafts', { keyPath: 'key' });
          const pages = database.createObjectStore('pages', { keyPath: 'sessionId' });
          pages.createIndex('savedAt', 'savedAt');
        },
        blocking: (_current, _blocked, event) => {
          (event.target as IDBDatabase).close();
          this.opening = null;
        },
        terminated: () => {
          this.opening = null;
        },
      });
    } catch {
      return null;
    }
  }
}
