/**
 * The head of a transcript: says that older messages are on their way, or where the conversation
 * begins. It has a fixed height outside the rows, so that what it says never moves them.
 *
 * Asks for the next page whenever the reader comes near; after a failure it waits to be asked.
 */
import { useCallback, useEffect, useRef, useState } from 'react';
import { LoaderCircle } from 'lucide-react';
import { Button } from '../../ui/Button';
import { DayMark } from './DayMark';

interface OlderPagesProps {
  heightPx: number;
  hasOlder: boolean;
  near: boolean;
  firstDay: string | null;
  onLoad(): Promise<void>;
}

export function OlderPages({ heightPx, hasOlder, near, firstDay, onLoad }: OlderPagesProps) {
  const [failed, setFailed] = useState(false);
  const [pages, setPages] = useState(0);
  const busy = useRef(false);

  const load = useCallback(async () => {
    if (busy.current) return;
    busy.current = true;
    try {
      await onLoad();
      setFailed(false);
      setPages((count) => count + 1);
    } catch {
      setFailed(true);
    } finally {
      busy.current = false;
    }
  }, [onLoad]);

  useEffect(() => {
    if (hasOlder && near && !failed) void load();
  }, [hasOlder, near, failed, pages, load]);

  return (
    <div
      className="absolute inset-x-0 top-0 flex items-center justify-center gap-3 text-note text-soft"
      style={{ height: heightPx }}
    >
      {hasOlder && failed && (
        <>
          Older messages did not load.
          <Button onClick={() => void load()}>Retry</Button>
        </>
      )}
      {hasOlder && !failed && <LoaderCircle size={18} className="animate-turn" aria-label="Loading older messages" />}
      {!hasOlder && firstDay && <DayMark day={firstDay} />}
    </div>
  );
}
