/**
 * The title of what is on screen, also given to the browser's tab.
 */
import { useEffect } from 'react';
import { useSessions } from '../features/sessions/use-sessions';
import type { PageRoute } from './use-route';

const product = 'Cipher';

/** The session's title; null in the welcome state and while it is not known. */
export function useTitle(route: PageRoute): string | null {
  const { sessions } = useSessions();
  const title =
    route.kind === 'session' ? sessions.find(({ id }) => id === route.sessionId)?.title || null : null;

  useEffect(() => {
    document.title = title ? `${title} · ${product}` : product;
  }, [title]);

  return title;
}
