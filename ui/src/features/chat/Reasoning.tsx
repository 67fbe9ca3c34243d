/**
 * The model's own reasoning, folded to one line: shown on demand, never in the way of the answer.
 */
import { ChevronRight } from 'lucide-react';

export function Reasoning({ text, thinking }: { text: string; thinking: boolean }) {
  return (
    <details className="mb-2 text-ui text-soft open:mb-4">
      <summary className="-ml-2 flex h-9 w-fit cursor-pointer list-none items-center gap-2 rounded-small px-2 hover:bg-hover hover:text-ink touch:h-11 [&::-webkit-details-marker]:hidden">
        <ChevronRight size={16} className="fold-mark" />
        <span className={thinking ? 'animate-breathe' : undefined}>{thinking ? 'Thinking' : 'Reasoning'}</span>
      </summary>
      <div className="border-l-2 border-line pl-4 leading-relaxed whitespace-pre-wrap wrap-anywhere">{text}</div>
    </details>
  );
}
