/**
 * Keeps the session list in step with the server and with what a person does to it.
 *
 * Owns the query that holds the list, the news that patches it and the overlays of changes under way.
 * The first page is fetched again after each reconnect, because news may have been missed, and when
 * one comes back to the window after a while, because programs beside the server tell no news.
 * Promises that a change which the server refuses is taken back and raised.
 */
import type { QueryClient } from '@tanstack/react-query';
import { createStore } from 'zustand/vanilla';

import { ApiError } from '../../api/client';
import { deleteSession, listSessions, patchSession, restoreSession, type SessionList } from '../../api/sessions';
import type { SessionNews } from '../../conversation/engine/session-news';
import type { Clock } from '../../realtime/ports';
import type { SessionSummary } from '../../wire/types';
import {
  shownSessions,
  withChange,
  withFirstPage,
  withNews,
  withNextPage,
  withoutRow,
  withRow,
  type Overlay,
} from './session-list';

export const SESSIONS_KEY = ['sessions'] as const;
/** Several reasons to fetch the first page again, close together, are one. */
const GATHER_MS = 150;
const MOST_ROUNDS = 3;
/** A list that was fetched since then is new enough for who comes back to the window. */
const FRESH_MS = 30_000;

export class SessionCache {
  readonly overlays = createStore<readonly Overlay[]>(() => []);
  private readonly trashed = new Map<string, { row: SessionSummary | null; done: Promise<unknown> }>();
  private outdated = false;
  private fetches = 0;
  private fetchedAt = 0;
  private loadingMore = false;
  private callOffRefresh: (() => void) | null = null;

  constructor(
    private readonly queries: QueryClient,
    private readonly clock: Clock,
  ) {}

  /** The list with a fresh first page; fetched again if news made it old while it was on its way. */
  async fetchFirst(signal: AbortSignal): Promise<SessionList> {
    this.fetches += 1;
    this.fetchedAt = this.clock.now();
    try {
      let page: SessionList;
      let rounds = 0;
      do {
        this.outdated = false;
        page = await listSessions(null, signal);
        rounds += 1;
      } while (this.outdated && rounds < MOST_ROUNDS);
      this.settleAdded(page);
      return withFirstPage(this.held(), page);
    } finally {
      this.fetches -= 1;
    }
  }

  async loadMore(): Promise<void> {
    const cursor = this.held()?.nextCursor ?? null;
    if (cursor === null || this.loadingMore) return;
    this.loadingMore = true;
    try {
      const page = await listSessions(cursor);
      this.update((list) => (list.nextCursor === cursor ? withNextPage(list, page) : list));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    } finally {
      this.loadingMore = false;
    }
  }

  hear(news: SessionNews): void {
    switch (news.type) {
      case 'session:begun':
        this.lay({ kind: 'added', id: news.summary.id, summary: news.summary });
        break;
      case 'session:unmade':
        this.lift(news.sessionId);
        break;
      case 'session:deleted':
        this.lift(news.sessionId);
        this.update((list) => withoutRow(list, news.sessionId));
        break;
      case 'session:created':
        this.lift(news.sessionId);
        this.update((list) => withNews(list, news.summary));
        break;
      case 'session:updated':
        this.update((list) =>
          news.archived ? withoutRow(list, news.sessionId) : withNews(list, news.summary),
        );
        break;
      case 'reconnected':
        this.refreshSoon();
    }
  }

  change(id: string, change: { title?: string; pinned?: boolean }): Promise<void> {
    return this.during({ kind: 'changed', id, change }, async () => {
      await patchSession(id, change);
      this.update((list) => withChange(list, id, change));
    });
  }

  /** Moves a session to the trash. */
  remove(id: string): Promise<void> {
    const row = this.held()?.sessions.find((candidate) => candidate.id === id) ?? null;
    const done = this.during({ kind: 'gone', id }, async () => {
      try {
        await deleteSession(id);
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== 'not_found') throw error;
      }
      this.update((list) => withoutRow(list, id));
    });
    this.trashed.set(id, { row, done });
    return done;
  }

  /** Takes a session out of the trash, after a removal that may still be on its way. */
  async restore(id: string): Promise<void> {
    const { row, done } = this.trashed.get(id) ?? { row: null, done: Promise.resolve() };
    this.lift(id);
    const bringBack = async () => {
      await Promise.allSettled([done]);
      await restoreSession(id);
      if (row !== null) this.update((list) => withRow(list, row));
      this.trashed.delete(id);
      this.refreshSoon();
    };
    await (row === null ? bringBack() : this.during({ kind: 'added', id, summary: row }, bringBack));
  }

  shown(list: SessionList | undefined, overlays: readonly Overlay[]): SessionSummary[] {
    return shownSessions(list ?? { sessions: [], nextCursor: null }, overlays);
  }

  /** Somebody looks at the page again. */
  lookedAt(): void {
    if (this.clock.now() - this.fetchedAt >= FRESH_MS) this.refreshSoon();
  }

  refreshSoon(): void {
    this.outdated = true;
    this.callOffRefresh ??= this.clock.after(GATHER_MS, () => {
      this.callOffRefresh = null;
      if (this.fetches === 0) void this.queries.invalidateQueries({ queryKey: SESSIONS_KEY });
    });
  }

  private held(): SessionList | undefined {
    return this.queries.getQueryData<SessionList>(SESSIONS_KEY);
  }

  private update(change: (list: SessionList) => SessionList): void {
    if (this.fetches > 0) this.outdated = true;
    this.queries.setQueryData<SessionList>(SESSIONS_KEY, (list) => list && change(list));
  }

  /** Shows a change while the server is asked for it; the change goes when it has answered. */
  private async during(overlay: Overlay, work: () => Promise<void>): Promise<void> {
    this.lay(overlay);
    try {
      await work();
    } finally {
      this.overlays.setState((all) => all.filter((other) => other !== overlay), true);
    }
  }

  private lay(overlay: Overlay): void {
    this.overlays.setState((all) => [...all, overlay], true);
  }

  private lift(id: string): void {
    this.overlays.setState((all) => all.filter((overlay) => overlay.id !== id), true);
  }

  /** The server lists these now: their stand-ins go. */
  private settleAdded({ sessions }: SessionList): void {
    const listed = new Set(sessions.map(({ id }) => id));
    const { overlays } = this;
    const kept = overlays.getState().filter(({ kind, id }) => kind !== 'added' || !listed.has(id));
    if (kept.length < overlays.getState().length) overlays.setState(kept, true);
  }
}
