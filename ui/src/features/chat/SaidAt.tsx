/**
 * The time of a message: the clock, with the whole date in its tooltip.
 */
import { clockTime, fullTime } from '../../ui/dates';

export function SaidAt({ at }: { at: number }) {
  return (
    <time
      dateTime={new Date(at).toISOString()}
      data-tip={fullTime(at)}
      className="px-1 text-note text-soft tabular-nums"
    >
      {clockTime(at)}
    </time>
  );
}
