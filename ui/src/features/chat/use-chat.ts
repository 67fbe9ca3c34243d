/**
 * The chat hook: the conversation on screen and what a person can do to it.
 */
import type { ConversationView } from '../../conversation/view';
import { useChatServices } from './chat-context';

/** What a person can do; each function keeps its identity for the life of the provider. */
export interface ChatActions {
  /** Shows the text at once and sends it; in the welcome state it first makes a session and goes to it. */
  send(content: string): Promise<void>;
  /** Stops the running answer of the session on screen. */
  cancel(): void;
  retry(turnId: string): void;
  loadOlder(): Promise<void>;
  /** Asks the server again for the session on screen. */
  reload(): void;
  discardPending(clientMsgId: string): void;
  resendPending(clientMsgId: string): void;
}

export interface Chat extends ChatActions {
  /** Null is the welcome state. */
  view: ConversationView | null;
}

/** Renders again whenever the transcript changes, which is once a frame while an answer streams. */
export function useChat(): Chat {
  return { ...useChatActions(), view: useChatServices().view };
}

/** The actions alone, for a composer that must not render while an answer streams. */
export function useChatActions(): ChatActions {
  throw new Error('no engine yet');
}

/** The id of the turn that Stop would cancel; changes only when a turn starts or ends. */
export function useRunningTurnId(): string | null {
  return useChatServices().view?.runningTurnId ?? null;
}
