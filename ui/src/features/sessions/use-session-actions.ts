/**
 * What the panel does to a session, with what a person is told about it: an Undo after a delete,
 * and a plain word when the server refuses. The changes themselves are `useSessions`'s.
 */
import { useMemo, useRef } from 'react';
import { failureText, useToasts } from '../../ui/toasts';
import type { SessionSummary } from '../../wire/types';
import type { Sessions } from './use-sessions';

export interface SessionActions {
  rename(session: SessionSummary, title: string): void;
  setPinned(session: SessionSummary, pinned: boolean): void;
  remove(session: SessionSummary): void;
}

interface Surroundings {
  sessions: Sessions;
  currentSessionId: string | null;
  open(sessionId: string): void;
  /** A deletion was undone by keyboard, which goes on at the session's row. */
  onUndoneByKey(sessionId: string): void;
}

function shortTitle(title: string): string {
  return title.length > 40 ? `${title.slice(0, 39).trimEnd()}…` : title;
}

/** The same object for the life of the panel, so that rows need not render for it. */
export function useSessionActions(
  sessions: Sessions,
  currentSessionId: string | null,
  open: (sessionId: string) => void,
  onUndoneByKey: (sessionId: string) => void,
): SessionActions {
  const surroundings = { sessions, currentSessionId, open, onUndoneByKey };
  const around = useRef<Surroundings>(surroundings);
  around.current = surroundings;
  const show = useToasts((store) => store.show);

  return useMemo(() => {
    const report = (what: string) => (cause: unknown) => show(failureText(what, cause));

    const undo = (session: SessionSummary, wasOpen: boolean, byKey: boolean) => {
      if (byKey) around.current.onUndoneByKey(session.id);
      around.current.sessions.restore(session.id).then(() => {
        if (wasOpen && around.current.currentSessionId === null) around.current.open(session.id);
      }, report('Could not bring it back'));
    };

    return {
      rename: (session, title) => {
        around.current.sessions.rename(session.id, title).catch(report('Could not rename it'));
      },
      setPinned: (session, pinned) => {
        const what = pinned ? 'Could not pin it' : 'Could not unpin it';
        around.current.sessions.setPinned(session.id, pinned).catch(report(what));
      },
      remove: (session) => {
        const wasOpen = around.current.currentSessionId === session.id;
        around.current.sessions.remove(session.id).catch(report('Could not delete it'));
        show(`Deleted “${shortTitle(session.title)}”`, {
          label: 'Undo',
          act: (byKey) => undo(session, wasOpen, byKey),
        });
      },
    };
  }, [show]);
}
