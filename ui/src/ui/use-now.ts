/**
 * The current minute, shared: everything that shows "4 min ago" moves on together, with one timer
 * for the page and none while nothing shows a time.
 */
import { useRef, useSyncExternalStore } from 'react';

const everyMs = 60_000;
const listeners = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function tick(): void {
  now = Date.now();
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (timer === undefined) {
    now = Date.now();
    timer = setInterval(tick, everyMs);
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** What `clock` says, read again each minute and not in between, so that lists hold still. */
export function useNow(clock: () => number): number {
  const minute = useSyncExternalStore(subscribe, () => now);
  const reading = useRef({ clock, minute, at: clock() });
  if (reading.current.clock !== clock || reading.current.minute !== minute) {
    reading.current = { clock, minute, at: clock() };
  }
  return reading.current.at;
}
