/**
 * The draft hook: the unsent text of one session, or of the welcome state (null).
 */
export interface Draft {
  draft: string;
  setDraft(text: string): void;
  /** Forgets the draft before returning, so that a sent text never comes back. */
  clear(): void;
}

export function useDraft(sessionId: string | null): Draft {
  throw new Error(`no engine yet for ${String(sessionId)}`);
}
