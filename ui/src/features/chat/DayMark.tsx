/**
 * Names the day that begins below it.
 */
export function DayMark({ day }: { day: string }) {
  return (
    <div className="column flex items-center gap-4 py-3 text-note text-soft">
      <span className="h-px flex-1 bg-line" />
      {day}
      <span className="h-px flex-1 bg-line" />
    </div>
  );
}
