/**
 * The session list hook: keyset pages, patched by events, changed optimistically.
 */
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { useStore } from 'zustand';

import { failureOf } from '../../api/client';
import type { SessionSummary } from '../../wire/types';
import { useChatServices } from '../chat/chat-context';
import { SESSIONS_KEY } from './session-cache';

export interface Sessions {
  /** Newest activity first. */
  sessions: SessionSummary[];
  phase: 'loading' | 'ready' | 'error';
  error: string | null;
  hasMore: boolean;
  loadMore(): void;
  refetch(): void;
  /** Makes a session, goes to it at once, and settles when the server has it. */
  create(): Promise<string>;
  rename(id: string, title: string): Promise<void>;
  /** Moves the session to the trash; goes to the welcome state first if it is on screen. */
  remove(id: string): Promise<void>;
  /** The Undo of `remove`; does not go back to the session. */
  restore(id: string): Promise<void>;
  setPinned(id: string, pinned: boolean): Promise<void>;
}

export function useSessions(): Sessions {
  const { engine, queries, sessionCache, goTo } = useChatServices();
  const query = useQuery(
    {
      queryKey: SESSIONS_KEY,
      queryFn: ({ signal }) => sessionCache.fetchFirst(signal),
      networkMode: 'always',
      staleTime: Infinity,
      gcTime: Infinity,
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      structuralSharing: false,
      retry: 2,
    },
    queries,
  );
  const overlays = useStore(sessionCache.overlays);
  const { data, error, refetch } = query;
  const sessions = useMemo(() => sessionCache.shown(data, overlays), [sessionCache, data, overlays]);
  return useMemo(
    () => ({
      sessions,
      phase: data !== undefined ? 'ready' : error !== null ? 'error' : 'loading',
      error: error === null ? null : failureOf(error).message,
      hasMore: data !== undefined && data.nextCursor !== null,
      loadMore: () => void sessionCache.loadMore(),
      refetch: () => void refetch(),
      create: () => engine.verbs.create(),
      rename: (id, title) => sessionCache.change(id, { title }),
      remove: (id) => {
        if (engine.store.getState().sessionId === id) goTo(null);
        return sessionCache.remove(id);
      },
      restore: (id) => sessionCache.restore(id),
      setPinned: (id, pinned) => sessionCache.change(id, { pinned }),
    }),
    [sessions, data, error, refetch, engine, sessionCache, goTo],
  );
}
