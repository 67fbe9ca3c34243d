/**
 * The rows of the panel, virtualised: a list of ten thousand costs what a list of thirty does.
 *
 * One stop for Tab; arrows, Home and End move between sessions, Enter opens (they are links), F2
 * renames, Delete deletes. The row that holds focus is always rendered, so focus is never lost.
 */
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { KeyboardEvent } from 'react';
import { defaultRangeExtractor, useVirtualizer } from '@tanstack/react-virtual';
import type { Range } from '@tanstack/react-virtual';
import type { SessionSummary } from '../../wire/types';
import { panelRows } from './session-groups';
import type { PanelRow } from './session-groups';
import { SessionRow } from './SessionRow';
import type { SessionActions } from './use-session-actions';

const rowRem = 3.25;
const headingRem = 2.25;
/** The next page is asked for while this many rows are still below. */
const moreWithin = 12;

interface SessionListProps {
  sessions: readonly SessionSummary[];
  now: number;
  currentSessionId: string | null;
  hasMore: boolean;
  onLoadMore(): void;
  onOpen(sessionId: string): void;
  actions: SessionActions;
  /** The session whose row takes focus as soon as it is there. */
  focusId: string | null;
  onFocused(): void;
}

function rootFontPx(): number {
  return Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
}

/** The session row that a key moves to from `from`, or -1 when the key does not move. */
function rowAfter(rows: readonly PanelRow[], from: number, key: string): number {
  const isSession = (row: PanelRow) => row.kind === 'session';
  switch (key) {
    case 'ArrowDown':
      return rows.findIndex((row, index) => index > from && isSession(row));
    case 'ArrowUp':
      return rows.findLastIndex((row, index) => index < from && isSession(row));
    case 'Home':
      return rows.findIndex(isSession);
    case 'End':
      return rows.findLastIndex(isSession);
    default:
      return -1;
  }
}

interface RowHandlers {
  onRemove(session: SessionSummary): void;
  onRenamed(session: SessionSummary, title: string | null, byKey: boolean): void;
}

/** The newest handlers behind functions that stay the same, so that scrolling renders no row again. */
function useSteady(handlers: RowHandlers): RowHandlers {
  const newest = useRef(handlers);
  newest.current = handlers;
  return useMemo(
    () => ({
      onRemove: (session) => newest.current.onRemove(session),
      onRenamed: (session, title, byKey) => newest.current.onRenamed(session, title, byKey),
    }),
    [],
  );
}

export function SessionList(props: SessionListProps) {
  const { sessions, now, currentSessionId, hasMore, onLoadMore, onOpen, actions, focusId, onFocused } = props;
  const rows = useMemo(() => panelRows(sessions, now), [sessions, now]);
  const latest = useRef(rows);
  latest.current = rows;
  const scroller = useRef<HTMLElement>(null);
  const [activeId, setActiveId] = useState<string | null>(null);
  const [renamingId, setRenamingId] = useState<string | null>(null);
  const focusNext = useRef(false);
  const em = useMemo(rootFontPx, []);

  const indexOf = (id: string | null) =>
    rows.findIndex((row) => row.kind === 'session' && row.session.id === id);
  const known = [activeId, currentSessionId].map(indexOf).find((index) => index >= 0);
  const active = known ?? rows.findIndex((row) => row.kind === 'session');

  const list = useVirtualizer<HTMLElement, HTMLLIElement>({
    count: rows.length,
    getScrollElement: () => scroller.current,
    getItemKey: useCallback((index: number) => latest.current[index]?.key ?? index, []),
    estimateSize: useCallback(
      (index: number) => (latest.current[index]?.kind === 'heading' ? headingRem : rowRem) * em,
      [em],
    ),
    rangeExtractor: useCallback(
      (range: Range) => {
        const shown = defaultRangeExtractor(range);
        return active < 0 || shown.includes(active) ? shown : [...shown, active].sort((a, b) => a - b);
      },
      [active],
    ),
    overscan: 8,
    paddingEnd: 16,
  });

  const visible = list.getVirtualItems();
  const lastVisible = list.range?.endIndex ?? -1;
  useEffect(() => {
    if (hasMore && lastVisible >= 0 && lastVisible > rows.length - moreWithin) onLoadMore();
  }, [hasMore, lastVisible, rows.length, onLoadMore]);

  useEffect(() => {
    if (!focusNext.current || renamingId !== null) return;
    focusNext.current = false;
    scroller.current?.querySelector<HTMLElement>('a[tabindex="0"]')?.focus();
  });

  const goTo = (index: number) => {
    const row = rows[index];
    if (row?.kind !== 'session') return;
    list.scrollToIndex(index);
    focusNext.current = true;
    setActiveId(row.session.id);
  };

  useEffect(() => {
    const at = focusId === null ? -1 : indexOf(focusId);
    if (at < 0) return;
    goTo(at);
    onFocused();
  });

  const onRemove = (session: SessionSummary) => {
    const at = indexOf(session.id);
    const below = rowAfter(rows, at, 'ArrowDown');
    goTo(below >= 0 ? below : rowAfter(rows, at, 'ArrowUp'));
    actions.remove(session);
  };

  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const row = rows[active];
    if (!(event.target instanceof HTMLAnchorElement) || row?.kind !== 'session') return;
    const next = rowAfter(rows, active, event.key);
    if (next >= 0) goTo(next);
    else if (event.key === 'F2') setRenamingId(row.session.id);
    else if (event.key === 'Delete') onRemove(row.session);
    else return;
    event.preventDefault();
  };

  const onRenamed = (session: SessionSummary, title: string | null, byKey: boolean) => {
    focusNext.current = byKey;
    setRenamingId(null);
    if (title !== null) actions.rename(session, title);
  };

  const steady = useSteady({ onRemove, onRenamed });

  return (
    <nav
      ref={scroller}
      aria-label="Sessions"
      onKeyDown={onKeyDown}
      className="min-h-0 flex-1 overflow-y-auto overscroll-contain px-2 [scrollbar-width:thin]"
    >
      <ul className="relative" style={{ height: list.getTotalSize() }}>
        {visible.map((slot) => {
          const row = rows[slot.index];
          if (!row) return null;
          const place = { height: slot.size, transform: `translateY(${slot.start}px)` };
          if (row.kind === 'heading') {
            return (
              <li key={slot.key} style={place} className="absolute inset-x-0 top-0 flex items-end px-2 pb-1">
                <h2 className="text-note font-medium text-soft">{row.label}</h2>
              </li>
            );
          }
          const { session } = row;
          return (
            <li key={slot.key} style={place} className="absolute inset-x-0 top-0">
              <SessionRow
                session={session}
                now={now}
                current={session.id === currentSessionId}
                active={slot.index === active}
                renaming={session.id === renamingId}
                onOpen={onOpen}
                onActive={setActiveId}
                onRename={setRenamingId}
                onRenamed={steady.onRenamed}
                onPin={actions.setPinned}
                onRemove={steady.onRemove}
              />
            </li>
          );
        })}
      </ul>
    </nav>
  );
}
