/**
 * The page's frame: the session panel at the left, a drawer on narrow windows, and the
 * conversation beside it.
 *
 * Owns which parts are open and where focus goes with that; the URL says which session is shown.
 */
import { Suspense, useCallback, useEffect, useRef } from 'react';
import type { RefObject } from 'react';
import { useLocation } from 'wouter';
import type { ComposerHandle } from '../features/chat/Composer';
import { useConnection } from '../features/connection/use-connection';
import { lazyPart } from '../ui/lazy-part';
import { PartGuard } from '../ui/PartGuard';
import { ConversationPage } from './ConversationPage';
import { ThemeSwitch } from './ThemeSwitch';
import { usePanel } from './use-panel';
import { useRoute } from './use-route';

interface Focusable {
  focus(): void;
}

const SessionPanel = lazyPart(() =>
  import('../features/sessions/SessionPanel').then(({ SessionPanel }) => SessionPanel),
);

export function Shell() {
  const [, navigate] = useLocation();
  const route = useRoute();
  const panel = usePanel();
  const { isOpen, isDrawer, open, close } = panel;
  const aside = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const composer = useRef<ComposerHandle>(null);
  const main = useRef<HTMLElement>(null);
  /** Where focus goes when the drawer has closed; its opener unless something else was asked for. */
  const next = useRef<Focusable | null>(null);
  const drawn = isOpen && isDrawer;
  useDrawerFocus(drawn, aside, opener, next);

  const closeDrawer = useCallback(() => {
    if (isDrawer) close();
  }, [isDrawer, close]);

  const goTo = useCallback(
    (sessionId: string) => {
      navigate(`/s/${encodeURIComponent(sessionId)}`);
      next.current = main.current;
      closeDrawer();
      // After a click the next thing is to write; by keyboard one may want to go on along the list.
      if (!isDrawer && !document.activeElement?.matches(':focus-visible')) composer.current?.focus();
    },
    [navigate, closeDrawer, isDrawer],
  );

  const goToWelcome = useCallback(() => {
    navigate('/');
    composer.current?.focus();
    next.current = composer.current;
    closeDrawer();
  }, [navigate, closeDrawer]);

  useEffect(() => {
    if (!drawn) return;
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && !event.defaultPrevented) close();
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, [drawn, close]);

  return (
    <div className="flex h-dvh overflow-hidden">
      <a
        href="#main"
        inert={drawn}
        className="skip-link"
        onClick={(event) => {
          event.preventDefault();
          (composer.current ?? main.current)?.focus();
        }}
      >
        Skip to the conversation
      </a>
      <div
        ref={aside}
        role={isDrawer ? 'dialog' : 'complementary'}
        aria-modal={isDrawer || undefined}
        aria-label="Session panel"
        inert={!isOpen}
        data-open={isOpen}
        className="panel flex flex-col bg-sunken"
      >
        <PartGuard part="The session panel" className="flex-1 px-4 py-3">
          <Suspense fallback={<div className="flex-1" />}>
            <SessionPanel
              isOpen={isOpen || isDrawer}
              onClose={close}
              currentSessionId={route.kind === 'session' ? route.sessionId : null}
              onSessionChange={goTo}
              returnToWelcome={goToWelcome}
            />
          </Suspense>
        </PartGuard>
        <PanelFoot />
      </div>
      {drawn && <div className="fixed inset-0 z-20 animate-appear bg-scrim" onClick={close} />}
      <ConversationPage
        route={route}
        inert={drawn}
        opener={opener}
        composer={composer}
        main={main}
        panelOpen={isOpen && !isDrawer}
        onOpenPanel={open}
        onNewChat={goToWelcome}
      />
    </div>
  );
}

const states = {
  connecting: 'Connecting',
  online: 'Connected',
  reconnecting: 'Reconnecting',
  offline: 'Offline',
} as const;

function PanelFoot() {
  const { state } = useConnection();
  return (
    <div className="flex shrink-0 items-center justify-between gap-3 border-t border-line py-2 pr-2 pb-[max(0.5rem,env(safe-area-inset-bottom))] pl-4">
      <span className="flex items-center gap-2 truncate text-note text-soft">
        <span className={`dot ${state === 'online' ? 'bg-accent' : 'border-2 border-warn'}`} />
        {states[state]}
      </span>
      <ThemeSwitch />
    </div>
  );
}

/** Takes focus into the drawer when it opens, and out of it when it closes. */
function useDrawerFocus(
  drawn: boolean,
  aside: RefObject<HTMLElement | null>,
  opener: RefObject<Focusable | null>,
  next: RefObject<Focusable | null>,
): void {
  const was = useRef(drawn);
  useEffect(() => {
    if (drawn === was.current) return;
    was.current = drawn;
    if (drawn) aside.current?.querySelector<HTMLElement>('button')?.focus();
    else (next.current ?? opener.current)?.focus();
    next.current = null;
  }, [drawn, aside, opener, next]);
}
