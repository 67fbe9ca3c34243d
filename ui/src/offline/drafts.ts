/**
 * Text that was typed and not sent, one per session and one for the welcome state.
 *
 * Kept in memory, written to the database 300 ms after the last key. Clearing is noted in the journal
 * before it returns, so a text that was sent never comes back however the tab ends; leaving the page
 * notes what was not yet written.
 */
import type { Clock } from '../realtime/ports';
import { isRecord, text as textOf } from '../wire/fields';
import type { OfflineDatabase } from './database';
import { Journal } from './journal';

const WRITE_AFTER_MS = 300;
const WELCOME = '~welcome';

export class Drafts {
  private readonly journal = new Journal('draft');
  private readonly texts = new Map<string, string>();
  private readonly unwritten = new Map<string, () => void>();
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly database: OfflineDatabase,
    private readonly clock: Clock,
  ) {
    for (const [key, value] of this.journal.entries()) {
      this.texts.set(key, isRecord(value) ? (textOf(value, 'text') ?? '') : '');
    }
  }

  /** Fetches what earlier visits left, and moves the journal's entries into the database. */
  async load(): Promise<void> {
    for (const [key, text] of this.texts) void this.store(key, text);
    const stored = await this.database.run((database) => database.getAll('drafts'), []);
    for (const { key, text } of stored) {
      if (!this.texts.has(key)) this.texts.set(key, text);
    }
    this.announce();
  }

  get(sessionId: string | null): string {
    return this.texts.get(sessionId ?? WELCOME) ?? '';
  }

  set(sessionId: string | null, text: string): void {
    const key = sessionId ?? WELCOME;
    if (this.texts.get(key) === text) return;
    this.texts.set(key, text);
    this.unwritten.get(key)?.();
    this.unwritten.set(
      key,
      this.clock.after(WRITE_AFTER_MS, () => {
        this.unwritten.delete(key);
        void this.store(key, text);
      }),
    );
    this.announce();
  }

  clear(sessionId: string | null): void {
    const key = sessionId ?? WELCOME;
    this.unwritten.get(key)?.();
    this.unwritten.delete(key);
    this.texts.set(key, '');
    this.journal.write(key, { text: '' });
    void this.store(key, '');
    this.announce();
  }

  /** Notes at once what is not yet written; for the moment the page goes away. */
  flush(): void {
    for (const [key, callOff] of this.unwritten) {
      callOff();
      this.journal.write(key, { text: this.texts.get(key) ?? '' });
      void this.store(key, this.texts.get(key) ?? '');
    }
    this.unwritten.clear();
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private async store(key: string, text: string): Promise<void> {
    const kept = await this.database.run(async (database) => {
      if (text === '') await database.delete('drafts', key);
      else await database.put('drafts', { key, text });
      return true;
    }, false);
    if (!kept) this.journal.write(key, { text: this.texts.get(key) ?? '' });
    else if (this.texts.get(key) === text) this.journal.remove(key);
  }

  private announce(): void {
    for (const listener of this.listeners) listener();
  }
}
