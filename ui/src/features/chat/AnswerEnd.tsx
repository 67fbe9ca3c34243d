/**
 * How an answer ended that did not complete: what happened, what is kept, what can be done.
 */
import { RotateCw } from 'lucide-react';
import type { MessageStatus, WireError } from '../../wire/types';
import { Button } from '../../ui/Button';
import { Notice } from '../../ui/Notice';
import { AskAgain } from './AskAgain';

/** What a person can do about a failure, by its stable code. */
const remedies: Record<string, string> = {
  model_unavailable: 'Check that the model is running and reachable, then try again.',
  model_rejected: 'Check the key and the name of the model in the settings of the server, then try again.',
  rate_limited: 'Wait a little, then try again.',
  storage_unavailable: 'Your message is kept. Try again when the database can be reached again.',
  storage_full: 'Free some space on the disk of the server, then try again.',
};

interface AnswerEndProps {
  status: Exclude<MessageStatus, 'complete'>;
  empty: boolean;
  error: WireError | null;
  retryTurnId: string | null;
  /** The question that can be asked again at the end, where the answer can not be retried. */
  askAgainSeq: number | null;
  onRetry(turnId: string): void;
  onAskAgain(questionSeq: number): void;
}

function explain(status: AnswerEndProps['status'], empty: boolean, error: WireError | null): string {
  switch (status) {
    case 'cancelled':
      return empty ? 'Stopped before the answer began.' : 'Stopped. What arrived is kept.';
    case 'interrupted':
      return empty
        ? 'The answer was interrupted before it began.'
        : 'The answer was interrupted. What was saved until then is kept.';
    case 'failed': {
      const reason = error?.message ?? 'The answer failed.';
      const remedy = (error && remedies[error.code]) ?? 'Your message is kept.';
      return `${reason.replace(/[.\s]*$/, '.')} ${remedy}`;
    }
  }
}

const tones = { cancelled: 'plain', interrupted: 'warn', failed: 'danger' } as const;

export function AnswerEnd(props: AnswerEndProps) {
  const { status, empty, error, retryTurnId, askAgainSeq, onRetry, onAskAgain } = props;
  return (
    <Notice
      tone={tones[status]}
      className="mt-3"
      actions={
        retryTurnId !== null ? (
          <Button icon={<RotateCw size={15} />} onClick={() => onRetry(retryTurnId)}>
            Retry
          </Button>
        ) : (
          askAgainSeq !== null && <AskAgain questionSeq={askAgainSeq} onAskAgain={onAskAgain} />
        )
      }
    >
      {explain(status, empty, error)}
    </Notice>
  );
}
