/**
 * What the page's components read: one value, replaced as a whole at each change.
 *
 * Owns no logic. The engine alone writes it; components select from it and render when what they
 * selected is another object.
 */
import { createStore, type StoreApi } from 'zustand/vanilla';

import type { SocketStatus } from '../../realtime/socket';
import type { ModelInfo, StorageState } from '../../wire/types';
import type { ConversationView } from '../view';

export interface ConnectionState {
  state: 'connecting' | 'online' | 'reconnecting' | 'offline';
  since: number;
  nextRetryAt: number | null;
  draining: boolean;
  storage: StorageState;
  model: ModelInfo | null;
}

export interface ChatState {
  /** The session on screen; null is the welcome state. */
  sessionId: string | null;
  view: ConversationView | null;
  /** Turns that were told to stop and have not been seen to end. */
  stopping: ReadonlySet<string>;
  connection: ConnectionState;
}

export type ChatStore = StoreApi<ChatState>;

export function createChatStore(now: number): ChatStore {
  return createStore<ChatState>(() => ({
    sessionId: null,
    view: null,
    stopping: new Set(),
    connection: {
      state: 'connecting',
      since: now,
      nextRetryAt: null,
      draining: false,
      storage: 'ok',
      model: null,
    },
  }));
}

/** How a socket's status looks to a person, who may also have no network at all. */
export function connectionOf(
  held: ConnectionState,
  { state, since, nextRetryAt, draining }: SocketStatus,
  network: boolean,
): ConnectionState {
  const offline = state === 'stopped' || (state !== 'online' && !network);
  return { ...held, state: offline ? 'offline' : state, since, nextRetryAt, draining };
}
