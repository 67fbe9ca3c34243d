/**
 * A message that neither side said: a system prompt or what a tool returned, folded to one line.
 */
import { ChevronRight } from 'lucide-react';
import type { Message } from '../../wire/types';

export function SideNote({ message }: { message: Message }) {
  return (
    <article className="column py-1">
      <details className="text-ui text-soft">
        <summary className="-ml-2 flex h-9 w-fit cursor-pointer list-none items-center gap-2 rounded-small px-2 hover:bg-hover hover:text-ink touch:h-11 [&::-webkit-details-marker]:hidden">
          <ChevronRight size={16} className="fold-mark" />
          {message.role === 'system' ? 'Instructions to the model' : 'What a tool returned'}
        </summary>
        <pre className="max-h-96 overflow-auto border-l-2 border-line pl-4 text-note leading-relaxed whitespace-pre-wrap wrap-anywhere">
          {message.content}
        </pre>
      </details>
    </article>
  );
}
