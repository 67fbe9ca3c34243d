/**
 * One row of a transcript: picks who speaks and hands over what was said.
 *
 * A send that is on its way and the message it becomes are drawn by the same component, and so are
 * a live answer and the finished one, so that nothing is taken down while its state changes. A row
 * whose content cannot be drawn says so and leaves the others alone.
 */
import { memo } from 'react';
import type { LiveTurn, TranscriptItem } from '../../conversation/view';
import type { Message } from '../../wire/types';
import { RenderGuard } from '../../ui/RenderGuard';
import { Notice } from '../../ui/Notice';
import { Answer } from './Answer';
import { DayMark } from './DayMark';
import { Prompt } from './Prompt';
import { SideNote } from './SideNote';
import { itemText } from './transcript-item';
import type { RowActions } from './use-row-actions';

interface TranscriptRowProps extends RowActions {
  item: TranscriptItem;
  last: boolean;
  /** About a running answer; both are false for everything else, so that it need not be drawn again. */
  paused: boolean;
  stopping: boolean;
  dayAfter: string | null;
}

export const TranscriptRow = memo(function TranscriptRow(props: TranscriptRowProps) {
  return (
    <>
      <RenderGuard resetKey={itemText(props.item)} fallback={<BrokenRow />}>
        <Row {...props} />
      </RenderGuard>
      {props.dayAfter && <DayMark day={props.dayAfter} />}
    </>
  );
});

function Row(props: TranscriptRowProps) {
  const { item, last, paused, stopping, onRetry, onResend, onDiscard, onAskAgain } = props;
  const toPrompt = { onResend, onDiscard, onAskAgain };
  const toAnswer = { last, paused, stopping, onRetry, onAskAgain };
  if (item.kind === 'pending') {
    const { pending } = item;
    return <Prompt text={pending.content} at={pending.createdAt} pending={pending} askAgainSeq={null} {...toPrompt} />;
  }
  if (item.kind === 'live') return <Answer {...liveAnswer(item.turn)} {...toAnswer} />;
  const { message, retryTurnId, askAgainSeq = null } = item;
  switch (message.role) {
    case 'user':
      return (
        <Prompt text={message.content} at={message.timestamp} pending={null} askAgainSeq={askAgainSeq} {...toPrompt} />
      );
    case 'assistant':
      return (
        <Answer {...finishedAnswer(message)} retryTurnId={retryTurnId} askAgainSeq={askAgainSeq} {...toAnswer} />
      );
    default:
      return <SideNote message={message} />;
  }
}

function liveAnswer(turn: LiveTurn) {
  return {
    text: turn.text,
    reasoning: turn.reasoning,
    phase: turn.phase,
    at: null,
    error: null,
    retryTurnId: null,
    askAgainSeq: null,
  };
}

function finishedAnswer(message: Message) {
  const reasoning = message.parts
    .filter((part): part is { type: 'reasoning'; text: string } => part.type === 'reasoning')
    .map((part) => part.text)
    .join('\n\n');
  return {
    text: message.content,
    reasoning,
    phase: message.status ?? ('complete' as const),
    at: message.timestamp,
    error: message.error ?? null,
  };
}

function BrokenRow() {
  return (
    <div className="column py-3">
      <Notice tone="danger">
        This message could not be drawn. It is stored unchanged, and an export of the session has it.
      </Notice>
    </div>
  );
}
