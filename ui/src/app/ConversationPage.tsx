/**
 * The part of the page beside the panel: the head with the title, the conversation in whichever
 * state it is, and the composer under it, which stays the same element through all of them.
 */
import { memo, Suspense } from 'react';
import type { RefObject } from 'react';
import { PanelLeftOpen, SquarePen } from 'lucide-react';
import { Composer } from '../features/chat/Composer';
import type { ComposerHandle } from '../features/chat/Composer';
import { TranscriptSkeleton } from '../features/chat/TranscriptSkeleton';
import { TurnStatus } from '../features/chat/TurnStatus';
import { useChat } from '../features/chat/use-chat';
import type { Chat } from '../features/chat/use-chat';
import { ConnectionBanner } from '../features/connection/ConnectionBanner';
import { useConnection } from '../features/connection/use-connection';
import { WelcomeFoot, WelcomeHead } from '../features/welcome/Welcome';
import { Button, IconButton } from '../ui/Button';
import { lazyPart } from '../ui/lazy-part';
import { PartGuard } from '../ui/PartGuard';
import { useNow } from '../ui/use-now';
import { LostConversation, NoSuchPage } from './Lost';
import { Plea } from './Plea';
import type { PageRoute } from './use-route';
import { useTitle } from './use-title';

/**
 * Not needed to begin a conversation, so asked for at once but not waited for. Named apart from the
 * markdown that it draws with, so that each is a file of its own.
 */
const parts = Promise.all([import('../features/chat/Transcript'), import('../markdown/Markdown')]);
const Transcript = lazyPart(() => parts.then(([{ Transcript }]) => Transcript));
// The welcome state may never show it; where it is shown, its guard tells that it did not come.
parts.catch(() => undefined);

interface ConversationPageProps {
  route: PageRoute;
  inert: boolean;
  panelOpen: boolean;
  opener: RefObject<HTMLButtonElement | null>;
  composer: RefObject<ComposerHandle | null>;
  main: RefObject<HTMLElement | null>;
  onOpenPanel(): void;
  onNewChat(): void;
}

export function ConversationPage(props: ConversationPageProps) {
  const { route, inert, panelOpen, opener, composer, main, onOpenPanel, onNewChat } = props;
  const chat = useChat();
  const { view } = chat;
  const { model, serverNow } = useConnection();
  const now = useNow(serverNow);
  const welcome = route.kind === 'welcome';
  const nowhere = route.kind === 'unknown';
  const missing = view?.phase === 'missing' ? view : null;
  const lost = nowhere || missing !== null;

  return (
    <main ref={main} id="main" tabIndex={-1} inert={inert} className="outline-none flex min-w-0 flex-1 flex-col bg-paper">
      <PageHead
        route={route}
        panelOpen={panelOpen}
        opener={opener}
        onOpenPanel={onOpenPanel}
        onNewChat={onNewChat}
      />
      <ConnectionBanner />
      <div className={`flex min-h-0 flex-1 flex-col ${welcome ? 'justify-center-safe overflow-y-auto pb-[6vh]' : ''}`}>
        {welcome ? (
          <WelcomeHead now={now} />
        ) : nowhere ? (
          <NoSuchPage onNewChat={onNewChat} />
        ) : missing ? (
          <LostConversation
            key={missing.sessionId}
            view={missing}
            onNewChat={onNewChat}
            onRestored={chat.reload}
          />
        ) : (
          <Conversation chat={chat} now={now} composer={composer} />
        )}
        {!lost && (
          <div className={`shrink-0 pt-0.5 pb-[env(safe-area-inset-bottom)] ${welcome ? '' : 'scroll-gutter overflow-hidden'}`}>
            <Composer
              ref={composer}
              sessionId={route.kind === 'session' ? route.sessionId : null}
              aside={model && aside(model, welcome)}
            />
          </div>
        )}
        {welcome && (
          <WelcomeFoot
            modelNotice={model?.notice ?? null}
            onPick={(text) => composer.current?.fill(text)}
          />
        )}
      </div>
      <TurnStatus view={view} />
    </main>
  );
}

/** What stands under the composer; the welcome state says more about a demonstration itself. */
function aside(model: { id: string; demo: boolean }, welcome: boolean): string {
  if (!model.demo) return model.id;
  return welcome ? '' : 'Answers come from the demonstration model.';
}

type PageHeadProps = Pick<ConversationPageProps, 'route' | 'panelOpen' | 'opener' | 'onOpenPanel' | 'onNewChat'>;

/** Memoised, because the page around it renders with every token. */
const PageHead = memo(function PageHead(props: PageHeadProps) {
  const { route, panelOpen, opener, onOpenPanel, onNewChat } = props;
  const title = useTitle(route);
  const line = route.kind === 'session' ? 'border-line' : 'border-transparent';
  return (
    <header className={`flex h-(--header-height) shrink-0 items-center gap-1 border-b px-2 ${line}`}>
      {!panelOpen && (
        <IconButton ref={opener} label="Open the session panel" onClick={onOpenPanel}>
          <PanelLeftOpen size={18} />
        </IconButton>
      )}
      {route.kind !== 'welcome' && (
        <h1 dir="auto" className={title ? 'min-w-0 flex-1 truncate px-2 text-left text-ui font-medium' : 'sr-only'}>
          {title ?? 'Conversation'}
        </h1>
      )}
      {!panelOpen && (
        <IconButton label="New chat" className="ml-auto" onClick={onNewChat}>
          <SquarePen size={18} />
        </IconButton>
      )}
    </header>
  );
});

interface ConversationProps {
  chat: Chat;
  now: number;
  composer: RefObject<ComposerHandle | null>;
}

function Conversation({ chat, now, composer }: ConversationProps) {
  const { view } = chat;
  if (!view || view.phase === 'loading') return <TranscriptSkeleton />;
  if (view.phase === 'error') {
    return (
      <Plea
        title="The conversation did not load"
        actions={
          <Button look="solid" onClick={chat.reload}>
            Retry
          </Button>
        }
      >
        {view.error?.message ?? 'The server did not answer.'} Nothing is lost; it is stored on the server.
      </Plea>
    );
  }
  if (view.items.length === 0) {
    return (
      <p className="column my-auto text-center text-body text-soft">Nothing has been said here yet.</p>
    );
  }
  return (
    <PartGuard part="The conversation" resetKey={view.sessionId} className="column my-auto">
      <Suspense fallback={<TranscriptSkeleton />}>
        <Transcript
          key={view.sessionId}
          view={view}
          now={now}
          composer={composer}
        />
      </Suspense>
    </PartGuard>
  );
}
