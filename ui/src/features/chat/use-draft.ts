/**
 * The draft hooks: the unsent text of one session, or of the welcome state (null), and whether there
 * is one.
 */
import { useCallback, useMemo, useSyncExternalStore } from 'react';

import { useChatServices } from './chat-context';

export interface Draft {
  draft: string;
  setDraft(text: string): void;
  /** Forgets the draft before returning, so that a sent text never comes back. */
  clear(): void;
}

export function useDraft(sessionId: string | null): Draft {
  const { drafts } = useChatServices().engine;
  const subscribe = useCallback((listener: () => void) => drafts.subscribe(listener), [drafts]);
  const draft = useSyncExternalStore(subscribe, () => drafts.get(sessionId));
  return useMemo(
    () => ({
      draft,
      setDraft: (text) => drafts.set(sessionId, text),
      clear: () => drafts.clear(sessionId),
    }),
    [drafts, draft, sessionId],
  );
}

/** Whether something is written in the session and not sent; renders only when that changes. */
export function useHasDraft(sessionId: string): boolean {
  const { drafts } = useChatServices().engine;
  const subscribe = useCallback((listener: () => void) => drafts.subscribe(listener), [drafts]);
  return useSyncExternalStore(subscribe, () => drafts.get(sessionId).trim() !== '');
}
