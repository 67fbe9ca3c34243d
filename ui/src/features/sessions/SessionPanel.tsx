/**
 * The panel of all sessions: make one, find one, switch, rename, pin, delete with a way back.
 *
 * Loaded on its own, after the conversation. Shows what `useSessions` has and asks it for changes;
 * which session is on screen is the page's to say, and changing it is the page's to do.
 */
import { useState } from 'react';
import { PanelLeftClose, SquarePen } from 'lucide-react';
import { Button, IconButton } from '../../ui/Button';
import { Mark } from '../../ui/Mark';
import { useNow } from '../../ui/use-now';
import { useConnection } from '../connection/use-connection';
import { SessionList } from './SessionList';
import { PanelSkeleton } from './PanelSkeleton';
import { useSessionActions } from './use-session-actions';
import { useSessions } from './use-sessions';

export interface SessionPanelProps {
  isOpen: boolean;
  onClose(): void;
  currentSessionId: string | null;
  onSessionChange(sessionId: string): void;
  returnToWelcome(): void;
}

export function SessionPanel(props: SessionPanelProps) {
  const { isOpen, onClose, currentSessionId, onSessionChange, returnToWelcome } = props;
  const list = useSessions();
  const { sessions, phase, error, hasMore, loadMore, refetch } = list;
  const { serverNow } = useConnection();
  const now = useNow(serverNow);
  const [focusId, setFocusId] = useState<string | null>(null);
  const actions = useSessionActions(list, currentSessionId, onSessionChange, setFocusId);

  return (
    <div className="flex min-h-0 flex-1 flex-col" hidden={!isOpen}>
      <div className="flex h-(--header-height) shrink-0 items-center justify-between gap-2 pr-2 pl-4">
        <span className="flex items-center gap-2 text-ui font-semibold">
          <Mark />
          Cipher
        </span>
        <IconButton label="Close the session panel" onClick={onClose}>
          <PanelLeftClose size={18} />
        </IconButton>
      </div>
      <div className="shrink-0 px-2 pb-2">
        <Button
          look="quiet"
          icon={<SquarePen size={18} />}
          className="w-full justify-start px-2 text-ink touch:px-2"
          onClick={returnToWelcome}
        >
          New chat
        </Button>
      </div>
      {phase === 'loading' && <PanelSkeleton />}
      {phase === 'error' && (
        <div role="alert" className="space-y-3 px-4 py-3 text-ui">
          <p className="text-soft">The sessions did not load. {error}</p>
          <Button onClick={refetch}>Retry</Button>
        </div>
      )}
      {phase === 'ready' && sessions.length === 0 && (
        <p className="px-4 py-3 text-ui text-soft text-balance">
          Your conversations will be listed here. The first message starts one.
        </p>
      )}
      {phase === 'ready' && sessions.length > 0 && (
        <SessionList
          sessions={sessions}
          now={now}
          currentSessionId={currentSessionId}
          hasMore={hasMore}
          onLoadMore={loadMore}
          onOpen={onSessionChange}
          actions={actions}
          focusId={focusId}
          onFocused={() => setFocusId(null)}
        />
      )}
    </div>
  );
}
