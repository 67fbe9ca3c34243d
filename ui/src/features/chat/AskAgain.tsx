/**
 * Sends a question once more, as a new message at the end of the conversation.
 */
import { CornerDownRight } from 'lucide-react';
import { Button } from '../../ui/Button';

interface AskAgainProps {
  questionSeq: number;
  onAskAgain(questionSeq: number): void;
}

export function AskAgain({ questionSeq, onAskAgain }: AskAgainProps) {
  return (
    <Button
      icon={<CornerDownRight size={15} />}
      data-tip="Sends the question again, at the end"
      onClick={() => onAskAgain(questionSeq)}
    >
      Ask again
    </Button>
  );
}
