/**
 * The connection hook: is the page in step with the server, and what keeps it from being so.
 */
import type { ModelInfo, StorageState } from '../../wire/types';
import { useChatServices } from '../chat/chat-context';

export interface Connection {
  state: 'connecting' | 'online' | 'reconnecting' | 'offline';
  /** When this state began, by this browser's clock. */
  since: number;
  nextRetryAt: number | null;
  retryNow(): void;
  storage: StorageState;
  draining: boolean;
  model: ModelInfo | null;
  /** The server's time now, for relative times; right even when this browser's clock is not. */
  serverNow(): number;
}

export function useConnection(): Connection {
  return useChatServices().connection;
}
