/**
 * The connection hook: is the page in step with the server, and what keeps it from being so.
 */
import { useMemo } from 'react';
import { useStore } from 'zustand';

import type { ModelInfo, StorageState } from '../../wire/types';
import { useChatServices } from '../chat/chat-context';

export interface Connection {
  /** `offline`: no network, or the server said not to come back by ourselves. */
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
  const { engine } = useChatServices();
  const connection = useStore(engine.store, (state) => state.connection);
  return useMemo(
    () => ({
      ...connection,
      retryNow: () => engine.retryNow(),
      serverNow: () => engine.server.now(),
    }),
    [engine, connection],
  );
}
