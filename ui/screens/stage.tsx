/**
 * Stands in for the engine: the same hooks over a state that a story or a test sets, and that a
 * script may change through `window.stage`.
 *
 * Writes down what the views ask for (`asked`), does it to its state as the engine would, and
 * refuses what it was told to refuse. Owns no network and no storage.
 */
import type { ReactNode } from 'react';
import { flushSync } from 'react-dom';
import { create } from 'zustand';
import type { ConversationView, TranscriptItem } from '../src/conversation/view';
import type { ChatActions } from '../src/features/chat/use-chat';
import type { Draft } from '../src/features/chat/use-draft';
import type { Connection } from '../src/features/connection/use-connection';
import type { Sessions } from '../src/features/sessions/use-sessions';
import type { SessionSummary } from '../src/wire/types';

/** The moment at which every story plays, so that pictures can be compared. */
export const now = new Date(2026, 10, 22, 14, 5).getTime();

const day = 86_400_000;
const olderPageSize = 50;

export interface Stage {
  view: ConversationView | null;
  /** The running turn that was told to stop. */
  stopping: string | null;
  sessions: SessionSummary[];
  listPhase: Sessions['phase'];
  hasMore: boolean;
  connection: Pick<Connection, 'state' | 'since' | 'storage' | 'draining' | 'model' | 'nextRetryAt'>;
  drafts: Record<string, string>;
  olderPages: number;
  /** What the views asked for, as verb and arguments, oldest first. */
  asked: [verb: string, ...args: unknown[]][];
  /** What to refuse, by verb. */
  refuse: Record<string, Error>;
}

export const online: Stage['connection'] = {
  state: 'online',
  since: 0,
  storage: 'ok',
  draining: false,
  model: { id: 'gpt-5-mini', demo: false, notice: null },
  nextRetryAt: null,
};

export const emptyStage: Stage = {
  view: null,
  stopping: null,
  sessions: [],
  listPhase: 'ready',
  hasMore: false,
  connection: online,
  drafts: {},
  olderPages: 0,
  asked: [],
  refuse: {},
};

export const useStage = create<Stage>(() => emptyStage);

export function setStage(change: Partial<Stage> | ((stage: Stage) => Partial<Stage>)): void {
  useStage.setState(change);
}

export function asked(verb: string): unknown[][] {
  return useStage.getState().asked.filter(([name]) => name === verb).map(([, ...args]) => args);
}

/** Writes down the wish and grants it, unless it is to be refused. */
function ask(verb: string, args: unknown[], grant: (stage: Stage) => Partial<Stage> = () => ({})): Promise<void> {
  setStage((stage) => ({ asked: [...stage.asked, [verb, ...args]] }));
  const refusal = useStage.getState().refuse[verb];
  if (refusal) return Promise.reject(refusal);
  setStage(grant);
  return Promise.resolve();
}

function withItems(view: ConversationView | null, change: (items: TranscriptItem[]) => TranscriptItem[]): Partial<Stage> {
  return view ? { view: { ...view, items: change(view.items) } } : {};
}

function olderItem(seq: number): TranscriptItem {
  const content = `Earlier message ${seq}. ${'It says a few more words. '.repeat(((seq % 23) + 23) % 23)}`;
  const role = seq % 2 === 0 ? 'user' : 'assistant';
  const timestamp = now - day + seq * 60_000;
  const message = { id: `m${seq}`, seq, parentSeq: seq - 1, role, content, timestamp } as const;
  return { kind: 'message', key: `m:${seq}`, message: { ...message, parts: [] }, retryTurnId: null };
}

function withOlderPage({ view, olderPages }: Stage): Partial<Stage> {
  const last = -olderPages * olderPageSize;
  const older = Array.from({ length: olderPageSize }, (_, index) => olderItem(last - olderPageSize + index));
  if (!view) return {};
  return {
    olderPages: olderPages + 1,
    view: { ...view, items: [...older, ...view.items], hasOlder: olderPages < 3 },
  };
}

let sends = 0;

const actions: ChatActions = {
  send: (content) =>
    ask('send', [content], ({ view }) => {
      sends += 1;
      const pending = {
        clientMsgId: `c${sends}`,
        sessionId: view?.sessionId ?? '',
        content,
        createdAt: now,
        state: 'sending' as const,
      };
      return withItems(view, (items) => [...items, { kind: 'pending', key: `u:c${sends}`, pending }]);
    }),
  cancel: () => void ask('cancel', [], ({ view }) => ({ stopping: view?.runningTurnId ?? null })),
  retry: (turnId) => void ask('retry', [turnId]),
  askAgain: (questionSeq) => void ask('askAgain', [questionSeq]),
  reload: () => void ask('reload', []),
  discardPending: (id) => void ask('discardPending', [id]),
  resendPending: (id) => void ask('resendPending', [id]),
  loadOlder: async () => {
    await new Promise((resolve) => setTimeout(resolve, 60));
    await new Promise(requestAnimationFrame);
    await flushSync(() => ask('loadOlder', [], withOlderPage));
  },
};

export const useChatActions = () => actions;
export const useRunningTurnId = () => useStage(({ view }) => view?.runningTurnId ?? null);
export const useStoppingTurnId = () => useStage(({ stopping }) => stopping);
export const useChat = () => ({ ...actions, view: useStage(({ view }) => view) });

export function ChatProvider({ children }: { children: ReactNode }) {
  return children;
}

export function useDraft(sessionId: string | null): Draft {
  const key = sessionId ?? '';
  const setDraft = (text: string) => setStage(({ drafts }) => ({ drafts: { ...drafts, [key]: text } }));
  return { draft: useStage(({ drafts }) => drafts[key] ?? ''), setDraft, clear: () => setDraft('') };
}

export const useHasDraft = (sessionId: string) =>
  useStage(({ drafts }) => (drafts[sessionId] ?? '').trim() !== '');

const retryNow = () => void ask('retryNow', []);
const serverNow = () => now;

export function useConnection(): Connection {
  return { ...useStage((stage) => stage.connection), retryNow, serverNow };
}

const change = (verb: string, id: string, patch: Partial<SessionSummary>) =>
  ask(verb, [id, ...Object.values(patch)], ({ sessions }) => ({
    sessions: sessions.map((session) => (session.id === id ? { ...session, ...patch } : session)),
  }));

let beforeRemoval: SessionSummary[] = [];

const sessionVerbs = {
  loadMore: () => void ask('loadMore', []),
  refetch: () => void ask('refetch', []),
  create: () => Promise.resolve('new'),
  rename: (id: string, title: string) => change('rename', id, { title }),
  setPinned: (id: string, pinned: boolean) => change('setPinned', id, { pinned }),
  remove: (id: string) =>
    ask('remove', [id], ({ sessions }) => {
      beforeRemoval = sessions;
      return { sessions: sessions.filter((session) => session.id !== id) };
    }),
  restore: (id: string) => ask('restore', [id], () => ({ sessions: beforeRemoval })),
};

export function useSessions(): Sessions {
  const sessions = useStage((stage) => stage.sessions);
  const listPhase = useStage((stage) => stage.listPhase);
  const hasMore = useStage((stage) => stage.hasMore);
  const error = listPhase === 'error' ? 'The server did not answer.' : null;
  return { ...sessionVerbs, sessions, phase: listPhase, error, hasMore };
}
