/**
 * Draws a list that grows at its end at a cost that does not grow with it.
 *
 * The items stand in runs; a run whose items are all the same objects as before is skipped whole.
 * An item's place is its key, so nothing is made anew while the list grows.
 */
import { Fragment, memo, type ReactNode } from 'react';

const runLength = 32;

interface RunsProps<Item, Context> {
  items: readonly Item[];
  /** The last item is still growing. */
  live: boolean;
  /** What every item needs; compared by identity. */
  context: Context;
  /** Must be the same function each time. */
  draw(item: Item, live: boolean, context: Context): ReactNode;
}

export function Runs<Item, Context>({ items, live, ...rest }: RunsProps<Item, Context>) {
  const runs: ReactNode[] = [];
  for (let at = 0; at < items.length; at += runLength) {
    const end = at + runLength;
    const run = items.slice(at, end);
    runs.push(<Run key={at} items={run} live={live && end >= items.length} {...rest} />);
  }
  return runs;
}

function DrawnRun<Item, Context>({ items, live, context, draw }: RunsProps<Item, Context>) {
  const last = items.length - 1;
  return items.map((item, index) => (
    <Fragment key={index}>{draw(item, live && index === last, context)}</Fragment>
  ));
}

function isSame<Item, Context>(a: RunsProps<Item, Context>, b: RunsProps<Item, Context>): boolean {
  if (a.live !== b.live || a.context !== b.context || a.draw !== b.draw) return false;
  return a.items.length === b.items.length && a.items.every((item, index) => item === b.items[index]);
}

// `memo` forgets that its component is generic.
const Run = memo(DrawnRun, isSame) as unknown as typeof DrawnRun;
