/**
 * The chat hook: the conversation on screen and what a person can do to it.
 */
import { useMemo } from 'react';
import { useStore } from 'zustand';

import type { ConversationView } from '../../conversation/view';
import { useChatServices } from './chat-context';

/** What a person can do; each function keeps its identity for the life of the provider. */
export interface ChatActions {
  /**
   * Shows the text at once and sends it, now or when the server can be reached; in the welcome state
   * it first begins a session and goes to it. Clears the draft that it was typed as.
   */
  send(content: string): Promise<void>;
  /** Stops the running answer of the session on screen, at once or when the line is up again. */
  cancel(): void;
  retry(turnId: string): void;
  /** Sends a question's text once more, as a new message at the end; never twice. */
  askAgain(questionSeq: number): void;
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
  const { engine } = useChatServices();
  const actions = useChatActions();
  const view = useStore(engine.store, (state) => state.view);
  return useMemo(() => ({ ...actions, view }), [actions, view]);
}

/** The actions alone, for a composer that must not render while an answer streams. */
export function useChatActions(): ChatActions {
  const { verbs } = useChatServices().engine;
  return useMemo(
    () => ({
      send: async (content) => verbs.send(content),
      cancel: () => verbs.cancel(),
      retry: (turnId) => verbs.retry(turnId),
      askAgain: (questionSeq) => verbs.askAgain(questionSeq),
      loadOlder: () => verbs.loadOlder(),
      reload: () => verbs.reload(),
      discardPending: (id) => verbs.discardPending(id),
      resendPending: (id) => verbs.resendPending(id),
    }),
    [verbs],
  );
}

/** The id of the turn that Stop would cancel; changes only when a turn starts or ends. */
export function useRunningTurnId(): string | null {
  const { engine } = useChatServices();
  return useStore(engine.store, (state) => state.view?.runningTurnId ?? null);
}

/** The running turn that was told to stop and has not stopped yet. */
export function useStoppingTurnId(): string | null {
  const { engine } = useChatServices();
  return useStore(engine.store, ({ view, stopping }) => {
    const running = view?.runningTurnId ?? null;
    return running !== null && stopping.has(running) ? running : null;
  });
}

/** The session on screen; null is the welcome state. */
export function useCurrentSessionId(): string | null {
  const { engine } = useChatServices();
  return useStore(engine.store, (state) => state.sessionId);
}
