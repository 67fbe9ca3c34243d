/**
 * What the person said: a quiet bubble at the right, and the state of a send until it is stored.
 *
 * Shows plain text as it was typed. A very long one is cut with a way to see all of it, so that a
 * pasted file does not bury the conversation.
 */
import { useState } from 'react';
import type { PendingSend } from '../../conversation/view';
import { Button } from '../../ui/Button';
import { CopyButton } from '../../ui/CopyButton';
import { Notice } from '../../ui/Notice';
import { AskAgain } from './AskAgain';
import { SaidAt } from './SaidAt';

const longAt = 2_400;
const manyLines = 24;
const cutTo = 1_200;

/** The beginning of a long text, ending at a line or a word; null when the text is not long. */
function beginning(text: string): string | null {
  const lines = text.split('\n', manyLines + 1);
  if (text.length <= longAt && lines.length <= manyLines) return null;
  const cut = lines.slice(0, manyLines - 8).join('\n').slice(0, cutTo);
  const end = cut.length === cutTo ? cut.search(/\s\S*$/) : cut.length;
  return end > cutTo / 2 ? cut.slice(0, end) : cut;
}

interface PromptProps {
  text: string;
  at: number;
  pending: PendingSend | null;
  /** Set when nothing answers it, to the `seq` by which it is asked again. */
  askAgainSeq: number | null;
  onResend(clientMsgId: string): void;
  onDiscard(clientMsgId: string): void;
  onAskAgain(questionSeq: number): void;
}

export function Prompt({ text, at, pending, askAgainSeq, onResend, onDiscard, onAskAgain }: PromptProps) {
  const [whole, setWhole] = useState(false);
  const start = beginning(text);
  const shown = start === null || whole ? text : `${start}…`;

  return (
    <article aria-label="You said" className="column group flex flex-col items-end pt-4 pb-1">
      <div
        dir="auto"
        className={`max-w-[85%] rounded-large border border-transparent bg-bubble px-4 py-2 text-body whitespace-pre-wrap wrap-anywhere [unicode-bidi:plaintext] transition-opacity duration-(--gentle) ${
          pending && pending.state !== 'refused' ? 'opacity-75' : ''
        }`}
      >
        {shown}
        {start !== null && (
          <div className="-mx-3 pt-1">
            <Button look="accent" onClick={() => setWhole(!whole)}>
              {whole ? 'Show less' : `Show all ${text.length.toLocaleString('en')} characters`}
            </Button>
          </div>
        )}
      </div>
      {pending?.state === 'refused' ? (
        <Refused pending={pending} onResend={onResend} onDiscard={onDiscard} />
      ) : (
        <div className="flex h-8 items-center gap-1 touch:h-11">
          {pending ? (
            <SendState state={pending.state} />
          ) : (
            <span className="on-demand flex items-center gap-1">
              <SaidAt at={at} />
              <CopyButton text={text} label="Copy message" />
            </span>
          )}
        </div>
      )}
      {askAgainSeq !== null && (
        <Notice
          tone="plain"
          className="mt-1 max-w-full"
          actions={<AskAgain questionSeq={askAgainSeq} onAskAgain={onAskAgain} />}
        >
          This question has no answer yet.
        </Notice>
      )}
    </article>
  );
}

/** Said only when it lasts: a send that is stored at once shows nothing. */
function SendState({ state }: { state: 'sending' | 'waiting' | 'refused' }) {
  return (
    <span className="animate-appear pr-1 text-note text-soft [animation-delay:600ms]">
      {state === 'sending' ? 'Sending…' : 'Waits here until the server can be reached'}
    </span>
  );
}

interface RefusedProps {
  pending: PendingSend;
  onResend(clientMsgId: string): void;
  onDiscard(clientMsgId: string): void;
}

function Refused({ pending, onResend, onDiscard }: RefusedProps) {
  const { clientMsgId, error } = pending;
  return (
    <Notice
      tone="danger"
      className="mt-2 max-w-full"
      actions={
        <>
          <Button onClick={() => onResend(clientMsgId)}>Resend</Button>
          <Button look="quiet" onClick={() => onDiscard(clientMsgId)}>
            Discard
          </Button>
        </>
      }
    >
      Not sent. {error?.message ?? 'The server did not accept this message.'}
    </Notice>
  );
}
