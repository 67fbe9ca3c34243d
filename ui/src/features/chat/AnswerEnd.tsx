/**
 * How an answer ended that did not complete: what happened, what is kept, what can be done.
 */
import { RotateCw } from 'lucide-react';
import type { MessageStatus, WireError } from '../../wire/types';
import { Button } from '../../ui/Button';
import { Notice } from '../../ui/Notice';

/** What a person can do about a failure, by its stable code. */
const remedies: Record<string, string> = {
  model_unavailable: 'Check that the model is running and reachable, then retry.',
  model_rejected: 'Check the key and the name of the model in the settings of the server, then retry.',
  rate_limited: 'Wait a little, then retry.',
  storage_unavailable: 'Your message is kept. Retry when the database can be reached again.',
  storage_full: 'Free some space on the disk of the server, then retry.',
};

interface AnswerEndProps {
  status: Exclude<MessageStatus, 'complete'>;
  empty: boolean;
  error: WireError | null;
  retryTurnId: string | null;
  onRetry(turnId: string): void;
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
      const remedy = (error && remedies[error.code]) ?? 'Your message is kept; retry asks again.';
      return `${reason.replace(/[.\s]*$/, '.')} ${remedy}`;
    }
  }
}

const tones = { cancelled: 'plain', interrupted: 'warn', failed: 'danger' } as const;

export function AnswerEnd({ status, empty, error, retryTurnId, onRetry }: AnswerEndProps) {
  return (
    <Notice
      tone={tones[status]}
      className="mt-3"
      actions={
        retryTurnId !== null && (
          <Button icon={<RotateCw size={15} />} onClick={() => onRetry(retryTurnId)}>
            Retry
          </Button>
        )
      }
    >
      {explain(status, empty, error)}
    </Notice>
  );
}
