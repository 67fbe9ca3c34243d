/**
 * Whether the line to the server is lost for longer than most losses last.
 *
 * What people are told of a loss hangs on this one answer, so that the banner, a running answer and
 * the composer say it together, and a short loss is not told at all.
 */
import { useEffect, useState } from 'react';
import { useConnection } from './use-connection';

const patienceMs = 2_000;

/**
 * Counts from the first state of the loss: trying, waiting and losing the network in turn do not begin
 * it anew.
 */
export function useLineLost(): boolean {
  const { state, since } = useConnection();
  const away = state !== 'online';
  const [lasting, setLasting] = useState(false);
  useEffect(() => {
    if (!away) return;
    const left = since + patienceMs - Date.now();
    const timer = setTimeout(() => setLasting(true), Math.max(0, left));
    return () => {
      clearTimeout(timer);
      setLasting(false);
    };
    // Not again when `since` changes: that is the kind of the loss changing, not a new one.
  }, [away]);
  return lasting && away;
}
