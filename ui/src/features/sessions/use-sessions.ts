/**
 * The session list hook: keyset pages, patched by events, changed optimistically.
 */
import type { SessionSummary } from '../../wire/types';
import { useChatServices } from '../chat/chat-context';

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
  /** Moves the session to the trash; leaves it first if it is on screen. */
  remove(id: string): Promise<void>;
  restore(id: string): Promise<void>;
  setPinned(id: string, pinned: boolean): Promise<void>;
}

export function useSessions(): Sessions {
  return useChatServices().sessions;
}
