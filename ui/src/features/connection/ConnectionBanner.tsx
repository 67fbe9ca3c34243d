/**
 * Says when the page and the server are out of step: what happened, what it means for what one
 * writes, and Retry now with the seconds until it happens by itself.
 *
 * Stands above the conversation, where it covers nothing; the transcript sees to it that what is read
 * stays where it is. Silent for as long as most losses last. Trouble with storage is told at once.
 */
import { useEffect, useState } from 'react';
import { CloudOff, DatabaseZap, RefreshCw } from 'lucide-react';
import { Button } from '../../ui/Button';
import { useConnection } from './use-connection';
import type { Connection } from './use-connection';
import { useLineLost } from './use-line-lost';

interface Trouble {
  text: string;
  kind: 'connection' | 'storage';
  retry: boolean;
}

function trouble(connection: Connection): Trouble | null {
  const { state, storage, draining } = connection;
  if (state === 'offline') {
    return { kind: 'connection', retry: true, text: 'This device is offline. What you send waits here.' };
  }
  if (state !== 'online') {
    const text = draining
      ? 'The server is restarting. What you send waits here.'
      : 'No connection to the server. What you send waits here.';
    return { kind: 'connection', retry: true, text };
  }
  if (draining) return { kind: 'connection', retry: false, text: 'The server is about to restart.' };
  switch (storage) {
    case 'ok':
      return null;
    case 'read_only':
      return { kind: 'storage', retry: false, text: 'The database is read-only: you can read, and what you send waits here.' };
    case 'volatile':
      return { kind: 'storage', retry: false, text: 'Nothing is saved: conversations last only until the server stops.' };
    case 'unavailable':
      return { kind: 'storage', retry: false, text: 'The database cannot be reached. What you send waits here.' };
  }
}

/** Whole seconds until `at`, counted down once a second; null when nothing is planned. */
function useSecondsUntil(at: number | null): number | null {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (at === null) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [at]);
  return at === null ? null : Math.max(0, Math.ceil((at - now) / 1_000));
}

export function ConnectionBanner() {
  const connection = useConnection();
  const lasting = useLineLost();
  const seconds = useSecondsUntil(lasting ? connection.nextRetryAt : null);
  const found = trouble(connection);
  const shown = found && (connection.state === 'online' || lasting) ? found : null;

  return (
    <div role="status" className="shrink-0">
      {shown && (
        <div className="flex justify-center px-3 py-2">
          <div className="flex max-w-[38rem] animate-rise flex-wrap items-center justify-end gap-x-3 rounded-medium border border-line bg-raised py-1 pr-1 pl-3 text-ui shadow-rest">
            <span className="flex min-w-0 flex-1 basis-52 items-center gap-3 py-2 pr-2">
              {shown.kind === 'storage' ? (
                <DatabaseZap size={18} className="shrink-0 text-warn" />
              ) : (
                <CloudOff size={18} className="shrink-0 text-warn" />
              )}
              <span>{shown.text}</span>
            </span>
            {shown.retry && (
              <Button look="accent" onClick={connection.retryNow} icon={<RefreshCw size={15} />}>
                Retry now
                {seconds !== null && seconds > 0 && (
                  <span aria-hidden="true" className="min-w-[2.5ch] text-left text-soft tabular-nums">
                    {seconds} s
                  </span>
                )}
              </Button>
            )}
          </div>
        </div>
      )}
    </div>
  );
}
