/**
 * Stops the running answer. Stays, dimmed, until the stop is carried out; when it goes with the end
 * of the answer, the keyboard goes on to where one writes.
 */
import { useRef } from 'react';
import { Square } from 'lucide-react';
import { IconButton } from '../../ui/Button';
import { useFocusHeir } from '../../ui/use-focus-heir';

interface StopButtonProps {
  stopping: boolean;
  onStop(): void;
  onGone(): void;
}

export function StopButton({ stopping, onStop, onGone }: StopButtonProps) {
  const button = useRef<HTMLButtonElement>(null);
  useFocusHeir(button, onGone);
  return (
    <IconButton
      ref={button}
      label="Stop the answer"
      look="outline"
      round
      // Not `disabled`, which would take the focus away from who pressed it.
      aria-disabled={stopping}
      className={stopping ? 'opacity-45' : ''}
      onClick={stopping ? undefined : onStop}
    >
      <Square size={14} fill="currentColor" />
    </IconButton>
  );
}
