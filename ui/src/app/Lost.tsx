/**
 * What stands where a conversation would be when there is none at this address: no such page, no
 * such conversation, or one that was deleted, with its way back and what was written in it and not
 * sent: the messages that did not get to the server, and the draft.
 */
import { useState } from 'react';
import type { ConversationView } from '../conversation/view';
import { useDraft } from '../features/chat/use-draft';
import { useSessions } from '../features/sessions/use-sessions';
import { Button } from '../ui/Button';
import { CopyButton } from '../ui/CopyButton';
import { failureText, useToasts } from '../ui/toasts';
import { Plea } from './Plea';

export function NoSuchPage({ onNewChat }: { onNewChat(): void }) {
  return (
    <Plea
      title="This page does not exist"
      actions={
        <Button look="solid" onClick={onNewChat}>
          Go to the start page
        </Button>
      }
    >
      The address may not be complete. Your conversations are in the session panel.
    </Plea>
  );
}

interface LostConversationProps {
  view: ConversationView;
  onNewChat(): void;
  /** The conversation is there again: ask the server for it. */
  onRestored(): void;
}

/** A conversation that is known here, or was written in, did exist: then it was deleted. */
export function LostConversation({ view, onNewChat, onRestored }: LostConversationProps) {
  const { draft } = useDraft(view.sessionId);
  const unsent = [...unsentMessages(view), ...(draft.trim() === '' ? [] : [{ key: 'draft', text: draft }])];
  const deletedJustNow = view.error === null;
  if (!deletedJustNow && unsent.length === 0 && view.items.length === 0) {
    return <NoSuchConversation onNewChat={onNewChat} />;
  }
  return (
    <Plea
      title="This conversation was deleted"
      actions={
        <>
          <RestoreButton sessionId={view.sessionId} onRestored={onRestored} />
          <Button onClick={onNewChat}>Start a new chat</Button>
        </>
      }
      aside={unsent.length > 0 && <UnsentTexts texts={unsent} />}
    >
      {deletedJustNow && 'That happened in another tab or by another program. '}
      Deleted conversations can be restored for 30 days.
    </Plea>
  );
}

function NoSuchConversation({ onNewChat }: { onNewChat(): void }) {
  return (
    <Plea
      title="There is no such conversation"
      actions={
        <Button look="solid" onClick={onNewChat}>
          Start a new chat
        </Button>
      }
    >
      It may have been deleted, or the address is not complete. Your other conversations are in the
      session panel.
    </Plea>
  );
}

function RestoreButton({ sessionId, onRestored }: { sessionId: string; onRestored(): void }) {
  const { restore } = useSessions();
  const [asking, setAsking] = useState(false);
  const show = useToasts((store) => store.show);

  const bringBack = async () => {
    setAsking(true);
    try {
      await restore(sessionId);
      onRestored();
    } catch (cause) {
      show(failureText('Could not restore it', cause));
    } finally {
      setAsking(false);
    }
  };

  return (
    <Button look="solid" disabled={asking} onClick={() => void bringBack()}>
      Restore
    </Button>
  );
}

interface Unsent {
  key: string;
  text: string;
}

/** Those that wait or were refused; one that is on its way may be stored already. */
function unsentMessages(view: ConversationView): Unsent[] {
  return view.items.flatMap((item) =>
    item.kind === 'pending' && item.pending.state !== 'sending'
      ? [{ key: item.key, text: item.pending.content }]
      : [],
  );
}

/** What a conversation that can not be written in keeps until it is restored, oldest first. */
function UnsentTexts({ texts }: { texts: readonly Unsent[] }) {
  return (
    <div className="mt-6 rounded-medium border border-line bg-raised py-2 pr-2 pl-3">
      <div className="flex items-center justify-between gap-2">
        <h3 id="unsent" className="text-note font-medium text-soft">
          Not sent yet
        </h3>
        <CopyButton text={texts.map(({ text }) => text).join('\n\n')} label="Copy what was not sent" />
      </div>
      <div
        role="group"
        aria-labelledby="unsent"
        tabIndex={0}
        className="max-h-[30dvh] space-y-3 overflow-y-auto pr-1 pb-1 text-body whitespace-pre-wrap wrap-anywhere"
      >
        {texts.map(({ key, text }) => (
          <p key={key} dir="auto">
            {text}
          </p>
        ))}
      </div>
    </div>
  );
}
