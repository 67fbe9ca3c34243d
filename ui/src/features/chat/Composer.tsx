/**
 * Where people write. Keeps its own text (the draft of its session), so that typing renders nothing
 * but itself, and is never disabled: offline and while an answer runs a message waits its turn.
 *
 * Enter sends, Shift+Enter breaks the line, and neither does anything while an input method composes.
 * Does not know how a send travels; `send` and `cancel` are the engine's.
 */
import { memo, useEffect, useImperativeHandle, useLayoutEffect, useRef } from 'react';
import type { KeyboardEvent, Ref, RefObject } from 'react';
import { ArrowUp } from 'lucide-react';
import { IconButton } from '../../ui/Button';
import { failureText, useToasts } from '../../ui/toasts';
import { useLineLost } from '../connection/use-line-lost';
import { StopButton } from './StopButton';
import { useChatActions, useRunningTurnId, useStoppingTurnId } from './use-chat';
import { useDraft } from './use-draft';

export const maxCharacters = 200_000;
/** From here on the count is shown. */
const nearLimit = maxCharacters - 5_000;

export interface ComposerHandle {
  /** Puts a text in, selected by nothing and sent by nobody, with the caret behind it. */
  fill(text: string): void;
  focus(): void;
}

/** Characters as the server counts them: code points, not UTF-16 units. */
function characters(text: string): number {
  return text.length < nearLimit ? text.length : Array.from(text).length;
}

interface ComposerProps {
  sessionId: string | null;
  /** Said under the field when there is nothing more pressing: which model answers. */
  aside: string | null;
  ref?: Ref<ComposerHandle>;
}

/** Memoised, because the page around it renders with every token. */
export const Composer = memo(function Composer({ sessionId, aside, ref }: ComposerProps) {
  const { draft, setDraft, clear } = useDraft(sessionId);
  const { send, cancel } = useChatActions();
  const running = useRunningTurnId() !== null;
  const stopping = useStoppingTurnId() !== null;
  const lineLost = useLineLost();
  const show = useToasts((store) => store.show);
  const field = useRef<HTMLTextAreaElement>(null);
  useGrowing(field, draft);

  useImperativeHandle(ref, () => ({
    fill: (text) => {
      setDraft(text);
      field.current?.focus();
    },
    focus: () => field.current?.focus(),
  }));

  // Where there is a keyboard, writing can begin at once; on a phone this would open the keyboard.
  useEffect(() => {
    if (window.matchMedia('(hover: hover)').matches) field.current?.focus({ preventScroll: true });
  }, []);

  const count = characters(draft);
  const tooLong = count > maxCharacters;
  const sendable = draft.trim() !== '' && !tooLong;

  const note = noteOn({ running, stopping, lineLost, sendable });

  const submit = () => {
    if (!sendable) return;
    clear();
    field.current?.focus();
    send(draft).catch((cause: unknown) => {
      const typedSince = field.current?.value ?? '';
      setDraft(typedSince ? `${draft}\n\n${typedSince}` : draft);
      show(failureText('Not sent', cause));
    });
  };

  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    // Safari ends a composition before the Enter that ended it; 229 is how that Enter is known.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    submit();
  };

  return (
    <form
      className="column w-full"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <div className="composer-field flex items-end gap-2 rounded-large border border-line-strong bg-raised p-2 shadow-rest">
        <textarea
          ref={field}
          id="composer"
          aria-label="Message"
          aria-describedby="composer-note"
          aria-invalid={tooLong}
          placeholder={running ? 'Write the next message' : 'Message Cipher'}
          rows={1}
          value={draft}
          enterKeyHint="send"
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={onKeyDown}
          // Each line has the direction of its text. `dir="auto"` would look the same, but Chromium then
          // takes 3 s more to paste 33,000 lines.
          className="[unicode-bidi:plaintext] max-h-[40dvh] min-h-9 min-w-0 flex-1 resize-none bg-transparent px-3 py-1.5 text-body leading-6 outline-none placeholder:text-soft touch:min-h-11 touch:py-2.5"
        />
        {running && <StopButton stopping={stopping} onStop={cancel} onGone={() => field.current?.focus()} />}
        {(!running || sendable) && (
          <IconButton
            label={running ? 'Send when the answer ends' : 'Send'}
            look="solid"
            type="submit"
            round
            disabled={!sendable}
          >
            <ArrowUp size={20} />
          </IconButton>
        )}
      </div>
      <p id="composer-note" className="flex min-h-8 items-center justify-between gap-4 px-3 text-note text-soft">
        <span className="truncate">{note ?? aside}</span>
        {count > nearLimit && (
          <span role="status" className={`shrink-0 tabular-nums ${tooLong ? 'text-danger' : ''}`}>
            {tooLong
              ? `${(count - maxCharacters).toLocaleString('en')} characters too long`
              : `${count.toLocaleString('en')} of ${maxCharacters.toLocaleString('en')}`}
          </span>
        )}
      </p>
    </form>
  );
});

interface Situation {
  running: boolean;
  stopping: boolean;
  lineLost: boolean;
  sendable: boolean;
}

/** What is worth saying under the field just now. */
function noteOn({ running, stopping, lineLost, sendable }: Situation): string | null {
  if (stopping) return lineLost ? 'Stops when the connection is back.' : 'Stopping…';
  return running && sendable ? 'Sent when the answer ends.' : null;
}

/** Gives the field the height of its text; the style sheet sets the most. */
function useGrowing(field: RefObject<HTMLTextAreaElement | null>, text: string): void {
  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = 'auto';
    element.style.height = `${element.scrollHeight}px`;
  }, [field, text]);
}
