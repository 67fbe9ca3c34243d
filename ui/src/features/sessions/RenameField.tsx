/**
 * The field that stands in a row's place while its session is renamed.
 *
 * Enter and leaving the field keep the new title, Escape keeps the old one; an empty or unchanged
 * title changes nothing. The Enter that ends an input method's composition does not count.
 */
import { useLayoutEffect, useRef, useState } from 'react';
import type { KeyboardEvent } from 'react';

const maxLength = 200;

interface RenameFieldProps {
  title: string;
  /** The new title, or null when the old one stays; `byKey` when Enter or Escape ended it. Called once. */
  onDone(title: string | null, byKey: boolean): void;
}

export function RenameField({ title, onDone }: RenameFieldProps) {
  const [text, setText] = useState(title);
  const field = useRef<HTMLInputElement>(null);
  const done = useRef(false);

  useLayoutEffect(() => {
    field.current?.focus();
    field.current?.select();
  }, []);

  const finish = (keep: boolean, byKey: boolean) => {
    if (done.current) return;
    done.current = true;
    const next = text.trim();
    onDone(keep && next !== '' && next !== title ? next : null, byKey);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    event.stopPropagation();
    if (event.nativeEvent.isComposing || event.keyCode === 229) return;
    if (event.key === 'Enter') finish(true, true);
    else if (event.key === 'Escape') finish(false, true);
    else return;
    event.preventDefault();
  };

  return (
    <input
      ref={field}
      dir="auto"
      aria-label="Title of the session"
      value={text}
      maxLength={maxLength}
      onChange={(event) => setText(event.target.value)}
      onKeyDown={onKeyDown}
      onBlur={() => finish(true, false)}
      className="h-full w-full rounded-medium border border-accent bg-raised px-[7px] text-ui outline-offset-[-2px]"
    />
  );
}
