/**
 * The provider that owns the page's one conversation engine.
 */
import { createContext, useContext, type ReactNode } from 'react';

import type { ConversationView } from '../../conversation/view';
import type { Connection } from '../connection/use-connection';
import type { Sessions } from '../sessions/use-sessions';

export interface ChatProviderProps {
  /** Address of the socket; the page's own host when left out. */
  wsUrl?: string;
  /** Connect as soon as the provider is mounted. */
  autoConnect?: boolean;
  children: ReactNode;
}

export interface ChatServices {
  view: ConversationView | null;
  sessions: Sessions;
  connection: Connection;
}

const ChatContext = createContext<ChatServices | null>(null);

export function useChatServices(): ChatServices {
  const services = useContext(ChatContext);
  if (services === null) throw new Error('useChat and its kin need a ChatProvider above them');
  return services;
}

export function ChatProvider(props: ChatProviderProps): ReactNode {
  return props.children;
}
