/**
 * One session in the panel: a link with its title, when it was last active, how many messages it
 * has, whether a draft waits in it and whether an answer runs; its menu; and the field that renames
 * it in place.
 */
import { memo, useRef, useState } from 'react';
import type { MouseEvent } from 'react';
import { Ellipsis, Pencil, Pin, PinOff, Trash2 } from 'lucide-react';
import { IconButton } from '../../ui/Button';
import { relativeTime } from '../../ui/dates';
import { Menu } from '../../ui/Menu';
import type { SessionSummary } from '../../wire/types';
import { useHasDraft } from '../chat/use-draft';
import { RenameField } from './RenameField';

interface SessionRowProps {
  session: SessionSummary;
  now: number;
  current: boolean;
  /** Holds the list's one stop for Tab. */
  active: boolean;
  renaming: boolean;
  onOpen(sessionId: string): void;
  onActive(sessionId: string): void;
  onRename(sessionId: string): void;
  onRenamed(session: SessionSummary, title: string | null, byKey: boolean): void;
  onPin(session: SessionSummary, pinned: boolean): void;
  onRemove(session: SessionSummary): void;
}

function facts(session: SessionSummary, now: number): string {
  const { messageCount } = session;
  const said = messageCount === 1 ? '1 message' : `${messageCount.toLocaleString('en')} messages`;
  return `${relativeTime(session.lastActivity, now)} · ${said}`;
}

/** A plain click is ours; with a modifier or another button it is the browser's (new tab, window). */
function isPlainClick(event: MouseEvent): boolean {
  return event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
}

export const SessionRow = memo(function SessionRow(props: SessionRowProps) {
  const { session, now, current, active, renaming, onOpen, onActive, onRename, onRenamed } = props;

  if (renaming) {
    return <RenameField title={session.title} onDone={(title, byKey) => onRenamed(session, title, byKey)} />;
  }

  return (
    <div
      className={`group relative h-full rounded-medium ${current ? 'current-row bg-selected' : 'hover:bg-hover'}`}
      onFocus={() => onActive(session.id)}
    >
      <a
        href={`/s/${encodeURIComponent(session.id)}`}
        aria-current={current ? 'page' : undefined}
        aria-keyshortcuts="F2 Delete"
        tabIndex={active ? 0 : -1}
        draggable={false}
        onClick={(event) => {
          if (!isPlainClick(event)) return;
          event.preventDefault();
          onOpen(session.id);
        }}
        onDoubleClick={() => onRename(session.id)}
        className="flex h-full flex-col justify-center rounded-medium px-2 outline-offset-[-2px] group-focus-within:pr-10 group-hover:pr-10 touch:pr-12"
      >
        <span dir="auto" title={session.title} className={`truncate text-left text-ui ${current ? 'font-medium' : ''}`}>
          {session.title || 'Untitled'}
        </span>
        <span className="flex items-center gap-2 text-note text-soft">
          <span className="truncate">{facts(session, now)}</span>
          <DraftMark sessionId={session.id} />
          {session.running && (
            <span className="flex shrink-0 items-center gap-1.5 text-accent">
              <span className="dot animate-breathe bg-current" />
              <span className="sr-only">answering</span>
            </span>
          )}
        </span>
      </a>
      <RowMenu {...props} />
    </div>
  );
});

/** Its own part, so that a key typed in the composer renders this word at most, and no row. */
function DraftMark({ sessionId }: { sessionId: string }) {
  return useHasDraft(sessionId) && <span className="shrink-0 font-medium text-warn">Draft</span>;
}

function RowMenu({ session, active, onRename, onPin, onRemove }: SessionRowProps) {
  const [open, setOpen] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);

  const actions = () => [
    { label: 'Rename', icon: <Pencil size={16} />, act: () => onRename(session.id) },
    session.pinned
      ? { label: 'Unpin', icon: <PinOff size={16} />, act: () => onPin(session, false) }
      : { label: 'Pin', icon: <Pin size={16} />, act: () => onPin(session, true) },
    { label: 'Delete', icon: <Trash2 size={16} />, danger: true, act: () => onRemove(session) },
  ];

  return (
    <>
      <IconButton
        ref={opener}
        label={`Actions for ${session.title}`}
        data-tip="Actions"
        small
        aria-haspopup="menu"
        aria-expanded={open}
        tabIndex={active ? 0 : -1}
        onClick={() => setOpen(!open)}
        className={`absolute top-1/2 right-1 -translate-y-1/2 ${open ? '' : 'on-demand'}`}
      >
        <Ellipsis size={18} />
      </IconButton>
      {open && opener.current && (
        <Menu
          label={`Actions for ${session.title}`}
          opener={opener.current}
          actions={actions()}
          onClose={() => setOpen(false)}
        />
      )}
    </>
  );
}
