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

interface RowActions {
  onRetry(turnId: string): void;
  onResend(clientMsgId: string): void;
  onDiscard(clientMsgId: string): void;
}

interface TranscriptRowProps extends RowActions {
  item: TranscriptItem;
  last: boolean;
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

function Row({ item, last, onRetry, onResend, onDiscard }: TranscriptRowProps) {
  if (item.kind === 'pending') {
    return <Prompt text={item.pending.content} at={item.pending.createdAt} pending={item.pending} onResend={onResend} onDiscard={onDiscard} />;
  }
  if (item.kind === 'live') {
    return <Answer {...liveAnswer(item.turn)} last={last} onRetry={onRetry} />;
  }
  const { message, retryTurnId } = item;
  switch (message.role) {
    case 'user':
      return <Prompt text={message.content} at={message.timestamp} pending={null} onResend={onResend} onDiscard={onDiscard} />;
    case 'assistant':
      return <Answer {...finishedAnswer(message)} retryTurnId={retryTurnId} last={last} onRetry={onRetry} />;
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
