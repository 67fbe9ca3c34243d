/**
 * The conversation on screen: a virtualised list that stands at its end.
 *
 * Opens at the newest message, follows while the reader is there, and moves nobody who scrolled up:
 * older pages are put in above and growth happens below without shifting what is being read.
 * Owns scrolling; what a row looks like is `TranscriptRow`. Mounted anew for each session.
 */
import { useCallback, useEffect, useRef, useState } from 'react';
import { useVirtualizer } from '@tanstack/react-virtual';
import type { RefObject } from 'react';
import type { Virtualizer } from '@tanstack/react-virtual';
import { ArrowDown } from 'lucide-react';
import type { ConversationView, TranscriptItem } from '../../conversation/view';
import { useLineLost } from '../connection/use-line-lost';
import { dayLabel, sameDay } from '../../ui/dates';
import type { ComposerHandle } from './Composer';
import { OlderPages } from './OlderPages';
import { TranscriptRow } from './TranscriptRow';
import { useChatActions, useStoppingTurnId } from './use-chat';
import { useKeepPlace } from './use-keep-place';
import { useRowActions } from './use-row-actions';
import { itemText, itemTime } from './transcript-item';

/** Within this distance of the end the reader counts as being there. */
const atEndPx = 48;
/** Further up than this, a way back down is offered. */
const awayPx = 320;
/** Room above the first row for the mark of older pages; outside the rows, so none jumps. */
const headPx = 72;
const footPx = 24;
/** Older pages are asked for while this many rows are still left above. */
const olderWithin = 10;

type Scroller = Virtualizer<HTMLDivElement, HTMLDivElement>;

/** A first guess at a row's height in px; measured as soon as the row is drawn. */
function guessHeight(item: TranscriptItem | undefined): number {
  const text = item ? itemText(item) : '';
  const lines = text.length / 78 + (text.match(/\n/g)?.length ?? 0) * 0.8;
  return Math.round(72 + Math.min(lines, 400) * 26);
}

/** To the fraction of a pixel: rounded heights would shift the rows as they come and go. */
function rowHeight(row: HTMLDivElement, entry: ResizeObserverEntry | undefined, list: Scroller): number {
  const box = entry?.borderBoxSize[0];
  if (box) return box.blockSize;
  const key = list.options.getItemKey(list.indexFromElement(row));
  return list.itemSizeCache.get(key) ?? row.getBoundingClientRect().height;
}

interface TranscriptProps {
  view: ConversationView;
  now: number;
  composer: RefObject<ComposerHandle | null>;
}

export function Transcript({ view, now, composer }: TranscriptProps) {
  const { items } = view;
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const latest = useRef(items);
  latest.current = items;
  const actions = useChatActions();
  const rowActions = useRowActions(actions, scroller, composer);
  const stoppingTurnId = useStoppingTurnId();
  const lineLost = useLineLost();
  const [away, setAway] = useState(false);

  const onChange = useCallback((list: Scroller) => setAway(list.getDistanceFromEnd() > awayPx), []);

  const list = useVirtualizer<HTMLDivElement, HTMLDivElement>({
    count: items.length,
    getScrollElement: () => scroller.current,
    getItemKey: useCallback((index: number) => latest.current[index]?.key ?? index, []),
    estimateSize: useCallback((index: number) => guessHeight(latest.current[index]), []),
    anchorTo: 'end',
    followOnAppend: true,
    scrollEndThreshold: atEndPx,
    overscan: 6,
    paddingStart: headPx,
    paddingEnd: footPx,
    initialOffset: Number.MAX_SAFE_INTEGER,
    measureElement: rowHeight,
    onChange,
  });

  useKeepPlace({ scroller, content, atEndPx, mostLiftPx: headPx - 8 });
  useGoToOwnMessage(items, list);

  const rows = list.getVirtualItems();
  const first = rows[0];

  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        id="conversation"
        role="log"
        aria-live="off"
        aria-label="Conversation"
        aria-busy={view.runningTurnId !== null}
        tabIndex={0}
        // The list tells of a change only when other rows come into view, which within a long one none do.
        onScroll={() => onChange(list)}
        className="h-full overflow-y-auto overscroll-contain outline-offset-[-2px] scroll-gutter [overflow-anchor:none]"
      >
        <div ref={content} className="relative" style={{ height: list.getTotalSize() }}>
          <OlderPages
            heightPx={headPx}
            hasOlder={view.hasOlder}
            near={first !== undefined && first.index < olderWithin}
            onLoad={actions.loadOlder}
            firstDay={firstDay(items, now)}
          />
          <div
            className="absolute inset-x-0 top-0"
            style={{ transform: `translateY(${first?.start ?? 0}px)` }}
          >
            {rows.map((row) => {
              const item = items[row.index];
              if (!item) return null;
              return (
                <div key={row.key} ref={list.measureElement} data-index={row.index}>
                  <TranscriptRow
                    item={item}
                    last={row.index === items.length - 1}
                    dayAfter={dayAfter(items, row.index, now)}
                    paused={lineLost && item.kind === 'live'}
                    stopping={item.kind === 'live' && item.turn.turnId === stoppingTurnId}
                    {...rowActions}
                  />
                </div>
              );
            })}
          </div>
        </div>
      </div>
      <div className="pointer-events-none absolute inset-x-4 bottom-0 h-6 bg-linear-to-t from-paper to-transparent" />
      {away && (
        <button
          type="button"
          onClick={() => list.scrollToEnd()}
          className="absolute bottom-3 left-1/2 flex h-9 -translate-x-1/2 animate-appear items-center gap-2 rounded-full border border-line bg-raised px-4 text-ui font-medium shadow-float hover:bg-bubble touch:h-11"
        >
          <ArrowDown size={16} />
          Jump to latest
        </button>
      )}
    </div>
  );
}

/** The day that begins after this row, if the next row is of another one. */
function dayAfter(items: readonly TranscriptItem[], index: number, now: number): string | null {
  const here = items[index];
  const next = items[index + 1];
  const from = here && itemTime(here);
  const to = next && itemTime(next);
  if (from == null || to == null || sameDay(from, to)) return null;
  return dayLabel(to, now);
}

function firstDay(items: readonly TranscriptItem[], now: number): string | null {
  const at = items[0] && itemTime(items[0]);
  return at == null ? null : dayLabel(at, now);
}

/** Whoever sends wants to see it: goes to the end when a send of one's own appears there. */
function useGoToOwnMessage(items: readonly TranscriptItem[], list: Scroller): void {
  const tail = items.at(-1);
  const ownKey = tail?.kind === 'pending' ? tail.key : null;
  const seen = useRef(ownKey);
  useEffect(() => {
    if (ownKey !== null && ownKey !== seen.current) list.scrollToEnd();
    seen.current = ownKey;
  }, [ownKey, list]);
}
