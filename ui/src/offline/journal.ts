/**
 * What must survive the tab being killed in the next millisecond.
 *
 * IndexedDB answers later, and a tab may be gone by then; localStorage is written before the call
 * returns. So a fact goes here first, and leaves once the database has it. An entry found here at
 * start is newer than what the database says. Where localStorage is refused, nothing is kept.
 */
const PREFIX = 'cipher.';

export class Journal {
  constructor(private readonly room: 'outbox' | 'draft') {}

  write(key: string, value: unknown): void {
    this.attempt((storage) => storage.setItem(this.nameOf(key), JSON.stringify(value)), undefined);
  }

  remove(key: string): void {
    this.attempt((storage) => storage.removeItem(this.nameOf(key)), undefined);
  }

  /** Every entry by its key; one that is not JSON is dropped. */
  entries(): Map<string, unknown> {
    return this.attempt((storage) => {
      const start = this.nameOf('');
      const found = new Map<string, unknown>();
      for (const name of Object.keys(storage)) {
        const json = name.startsWith(start) ? storage.getItem(name) : null;
        if (json === null) continue;
        try {
          found.set(name.slice(start.length), JSON.parse(json));
        } catch {
          storage.removeItem(name);
        }
      }
      return found;
    }, new Map());
  }

  private nameOf(key: string): string {
    return `${PREFIX}${this.room}.${key}`;
  }

  private attempt<T>(work: (storage: Storage) => T, substitute: T): T {
    try {
      return work(globalThis.localStorage);
    } catch {
      return substitute;
    }
  }
}
