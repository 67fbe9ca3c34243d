/**
 * What the assistant said or is saying: text on the page, never in a box.
 *
 * One component from the first token to the stored message, so that the text stays where it is when
 * the turn ends. Says plainly when an answer did not end by itself, what is kept, and offers Retry.
 */
import { Markdown } from '../../markdown/Markdown';
import type { LiveTurn } from '../../conversation/view';
import type { MessageStatus, WireError } from '../../wire/types';
import { CopyButton } from '../../ui/CopyButton';
import { AnswerEnd } from './AnswerEnd';
import { Reasoning } from './Reasoning';
import { SaidAt } from './SaidAt';

interface AnswerProps {
  text: string;
  reasoning: string;
  phase: LiveTurn['phase'] | MessageStatus;
  at: number | null;
  error: WireError | null;
  retryTurnId: string | null;
  last: boolean;
  onRetry(turnId: string): void;
}

export function Answer({ text, reasoning, phase, at, error, retryTurnId, last, onRetry }: AnswerProps) {
  const live = phase === 'queued' || phase === 'waiting' || phase === 'streaming';
  return (
    <article aria-label="Cipher said" className="column group flex flex-col pt-2 pb-1">
      {reasoning && <Reasoning text={reasoning} thinking={live && !text} />}
      {text && (
        <div className={phase === 'streaming' ? 'prose-live' : undefined}>
          <Markdown text={text} streaming={phase === 'streaming'} />
        </div>
      )}
      {live && !text && <Expectation phase={phase} quiet={reasoning !== ''} />}
      {!live && phase !== 'complete' && (
        <AnswerEnd status={phase} empty={!text} error={error} retryTurnId={retryTurnId} onRetry={onRetry} />
      )}
      <div className="flex h-8 items-center gap-1 touch:h-11">
        {!live && (
          <span className={`flex items-center gap-1 ${text ? '-ml-2' : '-ml-1'} ${last ? '' : 'on-demand'}`}>
            {text && <CopyButton text={text} label="Copy answer" />}
            {at !== null && <SaidAt at={at} />}
          </span>
        )}
      </div>
    </article>
  );
}

/** What is shown in the place of an answer that has no text yet. */
function Expectation({ phase, quiet }: { phase: LiveTurn['phase']; quiet: boolean }) {
  if (phase === 'queued') {
    return <p className="py-1 text-ui text-soft">Queued: starts when the answer above ends.</p>;
  }
  if (quiet) return null;
  return (
    <p className="flex items-center gap-3 py-1 text-body text-soft">
      <span className="dot animate-breathe bg-accent" />
      Thinking
    </p>
  );
}
