import 'fake-indexeddb/auto';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { ManualClock, eventually } from '../realtime/testing';
import type { HistoryPage } from '../wire/types';
import { OfflineDatabase, type OutboxItem } from './database';
import { Drafts } from './drafts';
import { LastPages } from './last-pages';
import { Outbox } from './outbox';

let databases = 0;
const fresh = () => new OfflineDatabase(`offline-${(databases += 1)}`);

function item(clientMsgId: string, order: number): OutboxItem {
  return { clientMsgId, sessionId: 's', content: clientMsgId, createdAt: 0, order, createsSession: false, refusal: null };
}

/** A browser that refuses IndexedDB, as private windows and full disks do. */
function withoutDatabase(): OfflineDatabase {
  vi.stubGlobal('indexedDB', {
    open() {
      throw new DOMException('refused', 'InvalidStateError');
    },
  });
  return fresh();
}

const stored = (database: OfflineDatabase, store: 'drafts' | 'outbox') =>
  database.run<unknown[]>((open) => open.getAll(store), []);

const journalled = () => Object.keys(localStorage).filter((name) => name.startsWith('cipher.'));

afterEach(() => localStorage.clear());

describe('the outbox', () => {
  it('is in the journal before put returns and in the database soon after', async () => {
    const database = fresh();
    new Outbox(database).put(item('a', 1));
    expect(journalled()).toEqual(['cipher.outbox.a']);
    await eventually(() => expect(journalled()).toEqual([]));
    expect(await stored(database, 'outbox')).toEqual([item('a', 1)]);
  });

  it('comes back oldest first, whether the database had it or only the journal', async () => {
    const database = fresh();
    const before = new Outbox(database);
    before.put(item('b', 2));
    await eventually(() => expect(journalled()).toEqual([]));
    localStorage.setItem('cipher.outbox.a', JSON.stringify(item('a', 1)));
    localStorage.setItem('cipher.outbox.broken', '{"clientMsgId":');
    const items = await new Outbox(database).load(0);
    expect(items.map(({ clientMsgId }) => clientMsgId)).toEqual(['a', 'b']);
  });

  it('forgets an item that is removed while it is being written', async () => {
    const database = fresh();
    const outbox = new Outbox(database);
    outbox.put(item('a', 1));
    outbox.remove('a');
    await eventually(async () => expect(await new Outbox(database).load(0)).toEqual([]));
    expect(journalled()).toEqual([]);
  });

  it('numbers sends upwards even when the clock goes back', async () => {
    const database = fresh();
    const before = new Outbox(database);
    before.put(item('a', before.nextOrder(9_000)));
    const outbox = new Outbox(database);
    await outbox.load(0);
    expect(outbox.nextOrder(5)).toBe(9_001);
  });

  it('lives in the journal where there is no database', async () => {
    const outbox = new Outbox(withoutDatabase());
    outbox.put(item('a', 1));
    await expect(new Outbox(withoutDatabase()).load(0)).resolves.toEqual([item('a', 1)]);
    outbox.remove('a');
    await expect(new Outbox(withoutDatabase()).load(0)).resolves.toEqual([]);
  });

  it('drops refused sends that nobody has looked at for a month', async () => {
    const database = fresh();
    const refusal = { code: 'not_found', message: 'No.' };
    const month = 31 * 24 * 3_600_000;
    new Outbox(database).put({ ...item('old', 1), refusal });
    new Outbox(database).put({ ...item('kept', 2), order: month, refusal });
    await eventually(() => expect(journalled()).toEqual([]));
    const items = await new Outbox(database).load(month + 10);
    expect(items.map(({ clientMsgId }) => clientMsgId)).toEqual(['kept']);
  });
});

describe('drafts', () => {
  function drafts(database = fresh()) {
    const clock = new ManualClock();
    return { clock, database, drafts: new Drafts(database, clock) };
  }

  it('are written 300 ms after the last key', async () => {
    const { clock, database, drafts: kept } = drafts();
    kept.set('s', 'h');
    clock.advance(299);
    kept.set('s', 'he');
    clock.advance(299);
    expect(await stored(database, 'drafts')).toEqual([]);
    clock.advance(1);
    await eventually(async () => expect(await stored(database, 'drafts')).toEqual([{ key: 's', text: 'he' }]));
  });

  it('are each their own, the welcome state one too, and come back on the next visit', async () => {
    const { clock, database, drafts: kept } = drafts();
    kept.set('a', 'of a');
    kept.set(null, 'of nobody');
    clock.advance(300);
    await eventually(async () => expect(await stored(database, 'drafts')).toHaveLength(2));
    const next = drafts(database).drafts;
    await next.load();
    expect([next.get('a'), next.get('b'), next.get(null)]).toEqual(['of a', '', 'of nobody']);
  });

  it('that were sent never come back, even if the tab dies in the same moment', async () => {
    const { clock, database, drafts: kept } = drafts();
    kept.set('s', 'sent');
    clock.advance(300);
    await eventually(async () => expect(await stored(database, 'drafts')).toHaveLength(1));
    const frozen = vi.spyOn(database, 'run').mockResolvedValue(undefined);
    kept.clear('s');
    frozen.mockRestore();
    const next = drafts(database).drafts;
    expect(next.get('s')).toBe('');
    await next.load();
    expect(next.get('s')).toBe('');
    await eventually(async () => expect(await stored(database, 'drafts')).toEqual([]));
    expect(journalled()).toEqual([]);
  });

  it('that were typed in the last moment survive leaving the page', () => {
    const { database, drafts: kept } = drafts();
    kept.set('s', 'last words');
    kept.flush();
    expect(drafts(database).drafts.get('s')).toBe('last words');
  });

  it('that are typed while the old ones load are not overwritten', async () => {
    const { clock, database, drafts: kept } = drafts();
    kept.set('s', 'old');
    clock.advance(300);
    await eventually(async () => expect(await stored(database, 'drafts')).toHaveLength(1));
    const next = drafts(database).drafts;
    const loading = next.load();
    next.set('s', 'new');
    await loading;
    expect(next.get('s')).toBe('new');
  });

  it('are kept where there is no database', async () => {
    const clock = new ManualClock();
    const kept = new Drafts(withoutDatabase(), clock);
    kept.set('s', 'text');
    clock.advance(300);
    await eventually(() => expect(journalled()).toEqual(['cipher.draft.s']));
    expect(new Drafts(withoutDatabase(), clock).get('s')).toBe('text');
  });
});

describe('last pages', () => {
  const page = (sessionId: string): HistoryPage => ({
    sessionId,
    messages: [],
    hasMore: false,
    cursor: { epoch: 'e', seq: 0 },
    leafSeq: 0,
    activeTurns: [],
  });

  it('keep the newest hundred sessions', async () => {
    const pages = new LastPages(fresh());
    for (let index = 0; index < 102; index += 1) await pages.save(page(`s${index}`), index);
    expect(await pages.load('s0')).toBeNull();
    expect(await pages.load('s1')).toBeNull();
    expect(await pages.load('s2')).toEqual(page('s2'));
  });

  it('forget a session that was deleted', async () => {
    const pages = new LastPages(fresh());
    await pages.save(page('s'), 1);
    await pages.remove('s');
    expect(await pages.load('s')).toBeNull();
  });

  it('are simply not there without a database', async () => {
    const pages = new LastPages(withoutDatabase());
    await pages.save(page('s'), 1);
    expect(await pages.load('s')).toBeNull();
  });
});
