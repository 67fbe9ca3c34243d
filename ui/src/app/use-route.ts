/**
 * What the URL asks for: the welcome state, a session, or something that there is not.
 */
import { useMemo } from 'react';
import { useLocation } from 'wouter';

export type PageRoute =
  | { kind: 'welcome' }
  | { kind: 'session'; sessionId: string }
  | { kind: 'unknown' };

export function routeOf(path: string): PageRoute {
  if (path === '/') return { kind: 'welcome' };
  const sessionId = /^\/s\/([A-Za-z0-9_-]{1,64})$/.exec(path)?.[1];
  return sessionId ? { kind: 'session', sessionId } : { kind: 'unknown' };
}

export function useRoute(): PageRoute {
  const [path] = useLocation();
  return useMemo(() => routeOf(path), [path]);
}
