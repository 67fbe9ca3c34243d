/**
 * The provider that owns the page's one conversation engine.
 *
 * Owns the engine's life, the tie between the address bar and the session on screen (the URL is the
 * truth), and the `cipher:sessionChanged` event both ways. Everything below reads through the hooks.
 */
import { QueryClient } from '@tanstack/react-query';
import { createContext, useContext, useEffect, useLayoutEffect, useRef, useState, type ReactNode } from 'react';
import { useLocation, useRoute } from 'wouter';

import { ChatEngine } from '../../conversation/engine/engine';
import { tabId } from '../../offline/client-id';
import { OfflineDatabase } from '../../offline/database';
import { browserFrame } from '../../realtime/frame-batch';
import { browserClock, dialWebSocket, socketUrlOf, watchWake } from '../../realtime/ports';
import { newId } from '../../wire/ids';
import { SessionCache } from '../sessions/session-cache';

const SESSION_CHANGED = 'cipher:sessionChanged';

export interface ChatProviderProps {
  /** Address of the socket; `/ws` on the page's own host when left out. */
  wsUrl?: string;
  /** Connect as soon as the provider is mounted; otherwise only `retryNow` connects. */
  autoConnect?: boolean;
  children: ReactNode;
}

export interface ChatServices {
  engine: ChatEngine;
  queries: QueryClient;
  sessionCache: SessionCache;
  /** Puts a session, or with null the welcome state, into the address bar. */
  goTo(sessionId: string | null): void;
}

const ChatContext = createContext<ChatServices | null>(null);

export function useChatServices(): ChatServices {
  const services = useContext(ChatContext);
  if (services === null) throw new Error('This hook needs a ChatProvider above it.');
  return services;
}

export function ChatProvider({ wsUrl, autoConnect = true, children }: ChatProviderProps): ReactNode {
  const [, navigate] = useLocation();
  const [, route] = useRoute('/s/:id');
  const sessionId = route?.id ?? null;
  const navigateRef = useRef(navigate);
  navigateRef.current = navigate;

  const [services] = useState((): ChatServices => {
    const goTo = (id: string | null) => {
      const path = id === null ? '/' : `/s/${id}`;
      if (path !== window.location.pathname) navigateRef.current(path);
    };
    const queries = new QueryClient();
    const sessionCache = new SessionCache(queries, browserClock);
    return { engine: createEngine(wsUrl ?? socketUrlOf(window.location), goTo), queries, sessionCache, goTo };
  });
  const { engine, sessionCache, goTo } = services;

  // Before the browser paints, so that no frame shows one session under another's address.
  useLayoutEffect(() => engine.show(sessionId), [engine, sessionId]);
  useEffect(() => engine.news.listen((news) => sessionCache.hear(news)), [engine, sessionCache]);
  useEffect(() => {
    const look = () => sessionCache.lookedAt();
    window.addEventListener('focus', look);
    return () => window.removeEventListener('focus', look);
  }, [sessionCache]);
  useSessionChangedEvent(sessionId, goTo);

  useEffect(() => {
    const unwatch = watchWake(window, () => engine.wake(), () => engine.networkLost());
    const leave = () => engine.leavePage();
    window.addEventListener('pagehide', leave);
    void engine.start(autoConnect);
    return () => {
      window.removeEventListener('pagehide', leave);
      unwatch();
      engine.stop();
    };
  }, [engine, autoConnect]);

  return <ChatContext value={services}>{children}</ChatContext>;
}

function createEngine(url: string, goTo: (sessionId: string) => void): ChatEngine {
  return new ChatEngine({
    url,
    goTo,
    clientId: tabId(() => newId(Date.now())),
    clock: browserClock,
    random: Math.random,
    dial: dialWebSocket,
    nextFrame: browserFrame,
    database: new OfflineDatabase(),
    hasNetwork: () => navigator.onLine,
  });
}

/** Tells other scripts which session is on screen, and switches when one of them tells us. */
function useSessionChangedEvent(sessionId: string | null, goTo: (id: string | null) => void): void {
  const shown = useRef<string | null>(null);
  useEffect(() => {
    const switched = (event: Event) => {
      const wanted = wantedSession(event);
      if (wanted !== undefined) goTo(wanted);
    };
    window.addEventListener(SESSION_CHANGED, switched);
    return () => window.removeEventListener(SESSION_CHANGED, switched);
  }, [goTo]);
  useEffect(() => {
    if (shown.current === sessionId) return;
    shown.current = sessionId;
    window.dispatchEvent(new CustomEvent(SESSION_CHANGED, { detail: { sessionId } }));
  }, [sessionId]);
}

/** The session that the event names; undefined if it names none that could exist. */
function wantedSession(event: Event): string | null | undefined {
  const detail: unknown = event instanceof CustomEvent ? event.detail : undefined;
  if (typeof detail !== 'object' || detail === null || !('sessionId' in detail)) return undefined;
  const { sessionId } = detail;
  if (sessionId === null) return null;
  return typeof sessionId === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(sessionId) ? sessionId : undefined;
}
