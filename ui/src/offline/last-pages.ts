/**
 * The newest page of each session that was opened, for a first paint before the server answers.
 *
 * A cache and nothing more: wiping it changes only how soon something shows. It follows the log by
 * being saved again whenever the page settles, and a session that was deleted leaves it at once.
 */
import type { HistoryPage } from '../wire/types';
import type { OfflineDatabase } from './database';

const MOST_SESSIONS = 100;

export class LastPages {
  constructor(private readonly database: OfflineDatabase) {}

  load(sessionId: string): Promise<HistoryPage | null> {
    return this.database.run(
      async (database) => (await database.get('pages', sessionId))?.page ?? null,
      null,
    );
  }

  async save(page: HistoryPage, savedAt: number): Promise<void> {
    await this.database.run(async (database) => {
      const { store, done } = database.transaction('pages', 'readwrite');
      await store.put({ sessionId: page.sessionId, savedAt, page });
      let excess = (await store.count()) - MOST_SESSIONS;
      let oldest = excess > 0 ? await store.index('savedAt').openCursor() : null;
      for (; oldest !== null && excess > 0; excess -= 1) {
        await oldest.delete();
        oldest = await oldest.continue();
      }
      await done;
    }, undefined);
  }

  async remove(sessionId: string): Promise<void> {
    await this.database.run((database) => database.delete('pages', sessionId), undefined);
  }
}
