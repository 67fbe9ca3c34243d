/**
 * What the assistant said or is saying: text on the page, never in a box.
 *
 * One component from the first token to the stored message, so that the text stays where it is when
 * the turn ends. Says plainly when an answer did not end by itself, what is kept, and offers Retry or
 * to ask again. Without a connection a running answer stands still and says so.
 */
import { CloudOff } from 'lucide-react';
import { Markdown } from '../../markdown/Markdown';
import type { LiveTurn } from '../../conversation/view';
import type { MessageStatus, WireError } from '../../wire/types';
import { CopyButton } from '../../ui/CopyButton';
import { AnswerEnd } from './AnswerEnd';
import { pauseWords } from './pause-words';
import { Reasoning } from './Reasoning';
import { SaidAt } from './SaidAt';

interface AnswerProps {
  text: string;
  reasoning: string;
  phase: LiveTurn['phase'] | MessageStatus;
  at: number | null;
  error: WireError | null;
  retryTurnId: string | null;
  askAgainSeq: number | null;
  last: boolean;
  /** There is no connection over which more of a running answer could come. */
  paused: boolean;
  /** A stop was asked for and has not been carried out yet. */
  stopping: boolean;
  onRetry(turnId: string): void;
  onAskAgain(questionSeq: number): void;
}

export function Answer(props: AnswerProps) {
  const { text, reasoning, phase, at, error, retryTurnId, askAgainSeq, last, paused, stopping } = props;
  const { onRetry, onAskAgain } = props;
  const live = phase === 'queued' || phase === 'waiting' || phase === 'streaming';
  return (
    <article aria-label="Cipher said" className="column group flex flex-col pt-2 pb-1">
      {reasoning && <Reasoning text={reasoning} thinking={live && !text && !paused} />}
      {text && (
        <div className={phase === 'streaming' && !paused ? 'prose-live' : undefined}>
          <Markdown text={text} streaming={phase === 'streaming'} />
        </div>
      )}
      {live && !text && (phase === 'queued' || !paused) && <Expectation phase={phase} quiet={reasoning !== ''} />}
      {!live && phase !== 'complete' && (
        <AnswerEnd
          status={phase}
          empty={!text}
          error={error}
          retryTurnId={retryTurnId}
          askAgainSeq={askAgainSeq}
          onRetry={onRetry}
          onAskAgain={onAskAgain}
        />
      )}
      <div className="flex h-8 items-center gap-1 touch:h-11">
        {live && paused && phase !== 'queued' && <Paused stopping={stopping} />}
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

/** Stands where the actions of the finished answer will be, so that it moves nothing. */
function Paused({ stopping }: { stopping: boolean }) {
  return (
    <p className="flex items-center gap-2 text-ui text-soft">
      <CloudOff size={15} className="shrink-0" />
      {pauseWords(stopping)}
    </p>
  );
}
