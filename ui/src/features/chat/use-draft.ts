/**
 * The draft hook: the unsent text of one session, or of the welcome state (null).
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
