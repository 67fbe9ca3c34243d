/**
 * What the buttons in a transcript do. Each of them takes its own button away, so who pressed it by
 * keyboard goes on in the composer.
 */
import { useMemo } from 'react';
import type { RefObject } from 'react';
import { holdsKeyboard } from '../../ui/use-focus-heir';
import type { ComposerHandle } from './Composer';
import type { ChatActions } from './use-chat';

export interface RowActions {
  onRetry(turnId: string): void;
  onResend(clientMsgId: string): void;
  onDiscard(clientMsgId: string): void;
  onAskAgain(questionSeq: number): void;
}

/** The same functions as long as the actions are, so that no row renders for them. */
export function useRowActions(
  { retry, resendPending, discardPending, askAgain }: ChatActions,
  scroller: RefObject<HTMLElement | null>,
  composer: RefObject<ComposerHandle | null>,
): RowActions {
  return useMemo(() => {
    const thenWrite = <Which,>(act: (which: Which) => void) => (which: Which) => {
      const byKey = holdsKeyboard(scroller.current);
      act(which);
      if (byKey) composer.current?.focus();
    };
    return {
      onRetry: thenWrite(retry),
      onResend: thenWrite(resendPending),
      onDiscard: thenWrite(discardPending),
      onAskAgain: thenWrite(askAgain),
    };
  }, [retry, resendPending, discardPending, askAgain, scroller, composer]);
}
