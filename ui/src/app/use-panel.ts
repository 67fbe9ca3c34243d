/**
 * Whether the session panel is open: remembered in this browser where it stands beside the
 * conversation, always closed at first where it is a drawer over it.
 */
import { useCallback, useState } from 'react';
import { useMedia } from '../ui/use-media';

const storageKey = 'cipher.panel';
/** The width from which the panel stands beside the conversation; `--breakpoint-wide`. */
const wide = '(min-width: 56.25rem)';

function remembered(): boolean {
  try {
    return localStorage.getItem(storageKey) !== 'closed';
  } catch {
    return true;
  }
}

export interface Panel {
  isOpen: boolean;
  isDrawer: boolean;
  open(): void;
  close(): void;
}

export function usePanel(): Panel {
  const isDrawer = !useMedia(wide);
  const [docked, setDocked] = useState(remembered);
  const [drawn, setDrawn] = useState(false);

  const set = useCallback(
    (isOpen: boolean) => {
      if (isDrawer) {
        setDrawn(isOpen);
        return;
      }
      setDocked(isOpen);
      try {
        localStorage.setItem(storageKey, isOpen ? 'open' : 'closed');
      } catch {
        // Storage may be forbidden; the choice then lasts as long as the page.
      }
    },
    [isDrawer],
  );

  return {
    isDrawer,
    isOpen: isDrawer ? drawn : docked,
    open: useCallback(() => set(true), [set]),
    close: useCallback(() => set(false), [set]),
  };
}
