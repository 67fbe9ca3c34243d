/**
 * Keeps what is read where it is on the screen while the view around it changes its height.
 *
 * At its foot (the composer grows, the window changes) a reader at the end stays at the end. At its
 * head (a banner comes or goes) the rows are scrolled by as much as the head moved; where there is
 * nothing to scroll they are lifted into the empty room above the first one.
 */
import { useLayoutEffect } from 'react';
import type { RefObject } from 'react';

interface Place {
  scroller: RefObject<HTMLDivElement | null>;
  content: RefObject<HTMLDivElement | null>;
  /** Within this distance of the end the reader counts as being there. */
  atEndPx: number;
  /** How much of the room above the first row may be taken. */
  mostLiftPx: number;
}

export function useKeepPlace({ scroller, content, atEndPx, mostLiftPx }: Place): void {
  useLayoutEffect(() => {
    const view = scroller.current;
    const rows = content.current;
    if (!view || !rows) return;
    let top = view.getBoundingClientRect().top;
    let lift = 0;
    let atEnd = true;
    let offset = view.scrollTop;
    const onScroll = () => {
      const isNear = view.scrollHeight - view.clientHeight - view.scrollTop <= atEndPx;
      // Only a way up leads away from the end: what grows below it does not.
      atEnd = isNear || (atEnd && view.scrollTop >= offset);
      offset = view.scrollTop;
    };
    view.addEventListener('scroll', onScroll, { passive: true });
    const observer = new ResizeObserver(() => {
      const lowered = view.getBoundingClientRect().top - top;
      top += lowered;
      if (lowered !== 0) {
        const settled = Math.max(0, Math.min(lift, -lowered));
        const wanted = view.scrollTop + lowered + settled;
        view.scrollTop = wanted;
        const missing = Math.max(0, wanted - view.scrollTop);
        lift = Math.min(mostLiftPx, lift - settled + missing);
        rows.style.marginTop = `${-lift}px`;
        rows.style.marginBottom = `${lift}px`;
        view.scrollTop = wanted;
      }
      if (atEnd) view.scrollTop = view.scrollHeight;
    });
    observer.observe(view);
    return () => {
      view.removeEventListener('scroll', onScroll);
      observer.disconnect();
    };
  }, [scroller, content, atEndPx, mostLiftPx]);
}
