/**
 * The page's frame: the session panel at the left, a drawer on narrow windows, and the
 * conversation beside it.
 *
 * Owns which parts are open and where focus goes with that; the URL says which session is shown.
 */
import { lazy, Suspense, useCallback, useEffect, useRef } from 'react';
import type { KeyboardEvent } from 'react';
import { useLocation } from 'wouter';
import type { ComposerHandle } from '../features/chat/Composer';
import { useConnection } from '../features/connection/use-connection';
import { ConversationPage } from './ConversationPage';
import { ThemeSwitch } from './ThemeSwitch';
import { usePanel } from './use-panel';
import { useRoute } from './use-route';

const SessionPanel = lazy(() =>
  import('../features/sessions/SessionPanel').then(({ SessionPanel }) => ({ default: SessionPanel })),
);

export function Shell() {
  const [, navigate] = useLocation();
  const route = useRoute();
  const panel = usePanel();
  const { isOpen, isDrawer, open, close } = panel;
  const aside = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const composer = useRef<ComposerHandle>(null);
  const drawn = isOpen && isDrawer;
  useDrawerFocus(drawn, aside, opener);

  const closeDrawer = useCallback(() => {
    if (isDrawer) close();
  }, [isDrawer, close]);

  const goTo = useCallback(
    (sessionId: string) => {
      navigate(`/s/${encodeURIComponent(sessionId)}`);
      closeDrawer();
    },
    [navigate, closeDrawer],
  );

  const goToWelcome = useCallback(() => {
    navigate('/');
    closeDrawer();
    composer.current?.focus();
  }, [navigate, closeDrawer]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape' && drawn && !event.defaultPrevented) close();
  };

  return (
    <div className="flex h-dvh overflow-hidden" onKeyDown={onKeyDown}>
      <a href="#composer" inert={drawn} className="skip-link">
        Skip to the message field
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
        <Suspense fallback={<div className="flex-1" />}>
          <SessionPanel
            isOpen={isOpen || isDrawer}
            onClose={close}
            currentSessionId={route.kind === 'session' ? route.sessionId : null}
            onSessionChange={goTo}
            returnToWelcome={goToWelcome}
          />
        </Suspense>
        <PanelFoot />
      </div>
      {drawn && <div className="fixed inset-0 z-20 animate-appear bg-scrim" onClick={close} />}
      <ConversationPage
        route={route}
        inert={drawn}
        opener={opener}
        composer={composer}
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
        <span className={`size-2 rounded-full ${state === 'online' ? 'bg-accent' : 'border-2 border-warn'}`} />
        {states[state]}
      </span>
      <ThemeSwitch />
    </div>
  );
}

/** Takes focus into the drawer when it opens and back to its opener when it closes. */
function useDrawerFocus(
  drawn: boolean,
  aside: React.RefObject<HTMLElement | null>,
  opener: React.RefObject<HTMLButtonElement | null>,
): void {
  const was = useRef(drawn);
  useEffect(() => {
    if (drawn === was.current) return;
    was.current = drawn;
    if (drawn) aside.current?.querySelector<HTMLElement>('button')?.focus();
    else if (!document.activeElement || document.activeElement === document.body) opener.current?.focus();
  }, [drawn, aside, opener]);
}
