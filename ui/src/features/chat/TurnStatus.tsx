/**
 * Tells assistive technology how the answer is going: once when it begins, once when it ends, and
 * in between when the connection is lost and when it is back.
 * The transcript itself is silent, so that no token is ever read out.
 */
import { useEffect, useRef, useState } from 'react';
import type { ConversationView } from '../../conversation/view';
import { useLineLost } from '../connection/use-line-lost';
import { pauseWords } from './pause-words';
import { useStoppingTurnId } from './use-chat';

const endings = {
  complete: 'The answer is complete.',
  cancelled: 'The answer was stopped.',
  interrupted: 'The answer was interrupted.',
  failed: 'The answer failed.',
} as const;

function ending(view: ConversationView): string {
  const last = view.items.findLast((item) => item.kind === 'message' && item.message.role === 'assistant');
  return endings[(last?.kind === 'message' && last.message.status) || 'complete'];
}

export function TurnStatus({ view }: { view: ConversationView | null }) {
  const [said, setSaid] = useState('');
  const lineLost = useLineLost();
  const stopping = useStoppingTurnId() !== null;
  const pause = lineLost ? `${pauseWords(stopping)}.` : null;
  const before = useRef({ sessionId: view?.sessionId, turnId: view?.runningTurnId ?? null, pause: null as string | null });

  useEffect(() => {
    const now = { sessionId: view?.sessionId, turnId: view?.runningTurnId ?? null, pause };
    const was = before.current;
    before.current = now;
    if (now.sessionId !== was.sessionId) setSaid('');
    else if (now.turnId !== null && (now.turnId !== was.turnId || pause !== was.pause)) {
      setSaid(pause ?? (stopping ? 'Stopping…' : 'Cipher is responding.'));
    } else if (now.turnId === null && was.turnId !== null && view) setSaid(ending(view));
  }, [view, pause, stopping]);

  return (
    <p role="status" className="sr-only">
      {said}
    </p>
  );
}
