/**
 * Stands in for the engine: the same hooks over a state that a story sets and a script may change
 * through `window.stage`. Sends, renames and deletes change that state as the engine would.
 */
import type { ReactNode } from 'react';
import { create } from 'zustand';
import type { ConversationView } from '../src/conversation/view';
import type { Connection } from '../src/features/connection/use-connection';
import type { Sessions } from '../src/features/sessions/use-sessions';
import type { SessionSummary } from '../src/wire/types';

/** The moment at which every story plays, so that pictures can be compared. */
export const now = new Date(2026, 10, 22, 14, 5).getTime();

export interface Stage {
  view: ConversationView | null;
  sessions: SessionSummary[];
  listPhase: Sessions['phase'];
  connection: Pick<Connection, 'state' | 'storage' | 'draining' | 'model'> & { retryInMs: number | null };
  drafts: Record<string, string>;
  olderPages: number;
}

export const useStage = create<Stage>(() => ({
  view: null,
  sessions: [],
  listPhase: 'ready',
  connection: { state: 'online', storage: 'ok', draining: false, model: null, retryInMs: null },
  drafts: {},
  olderPages: 0,
}));

export function setStage(change: Partial<Stage> | ((stage: Stage) => Partial<Stage>)): void {
  useStage.setState(change);
}

export function ChatProvider({ children }: { children: ReactNode }) {
  return children;
}

let sent = 0;

function send(content: string): Promise<void> {
  sent += 1;
  const clientMsgId = `c${sent}`;
  setStage(({ view }) => {
    if (!view) return {};
    const pending = { clientMsgId, sessionId: view.sessionId, content, createdAt: Date.now(), state: 'sending' as const };
    return { view: { ...view, items: [...view.items, { kind: 'pending', key: `u:${clientMsgId}`, pending }] } };
  });
  return Promise.resolve();
}

/** Puts `count` earlier messages in above, as a loaded page would. */
function loadOlder(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(() => {
      setStage(({ view, olderPages }) => {
        if (!view) return {};
        const older = Array.from({ length: 50 }, (_, index) => {
          const seq = -olderPages * 50 - (50 - index);
          const role = index % 2 === 0 ? ('user' as const) : ('assistant' as const);
          const content = `Earlier message ${seq}. ${'It says a few more words. '.repeat((index * 7) % 23)}`;
          const message = { id: `m${seq}`, seq, parentSeq: seq - 1, role, content, parts: [], timestamp: now - 86_400_000 + seq * 60_000 };
          return { kind: 'message' as const, key: `m:${seq}`, message, retryTurnId: null };
        });
        return {
          olderPages: olderPages + 1,
          view: { ...view, items: [...older, ...view.items], hasOlder: olderPages < 3 },
        };
      });
      resolve();
    }, 120);
  });
}

const actions = {
  send,
  cancel: () => undefined,
  retry: () => undefined,
  loadOlder,
  reload: () => undefined,
  discardPending: () => undefined,
  resendPending: () => undefined,
};

export const useChatActions = () => actions;
export const useRunningTurnId = () => useStage(({ view }) => view?.runningTurnId ?? null);
export const useChat = () => ({ ...actions, view: useStage(({ view }) => view) });

export function useDraft(sessionId: string | null) {
  const key = sessionId ?? '';
  const setDraft = (text: string) => setStage(({ drafts }) => ({ drafts: { ...drafts, [key]: text } }));
  return { draft: useStage(({ drafts }) => drafts[key] ?? ''), setDraft, clear: () => setDraft('') };
}

const since = Date.now() - 60_000;

export function useConnection(): Connection {
  const { retryInMs, ...connection } = useStage((stage) => stage.connection);
  return {
    ...connection,
    since,
    nextRetryAt: retryInMs === null ? null : Date.now() + retryInMs,
    retryNow: () => undefined,
    serverNow: () => now,
  };
}

function change(id: string, patch: Partial<SessionSummary>): Promise<void> {
  setStage(({ sessions }) => ({
    sessions: sessions.map((session) => (session.id === id ? { ...session, ...patch } : session)),
  }));
  return Promise.resolve();
}

let removed: SessionSummary[] = [];

export function useSessions(): Sessions {
  const { sessions, listPhase } = useStage();
  return {
    sessions,
    phase: listPhase,
    error: listPhase === 'error' ? 'The server did not answer.' : null,
    hasMore: false,
    loadMore: () => undefined,
    refetch: () => undefined,
    create: () => Promise.resolve('new'),
    rename: (id, title) => change(id, { title }),
    setPinned: (id, pinned) => change(id, { pinned }),
    remove: (id) => {
      removed = sessions;
      setStage({ sessions: sessions.filter((session) => session.id !== id) });
      return Promise.resolve();
    },
    restore: () => {
      setStage({ sessions: removed });
      return Promise.resolve();
    },
  };
}
