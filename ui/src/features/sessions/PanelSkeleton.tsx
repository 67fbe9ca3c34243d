/**
 * The shape of the session list while its first page loads, on the list's own grid.
 */
const widths = ['w-3/5', 'w-4/5', 'w-2/5', 'w-3/4', 'w-1/2', 'w-2/3', 'w-3/5'];

export function PanelSkeleton() {
  return (
    <div role="status" className="min-h-0 flex-1 overflow-hidden px-2 pt-9">
      <span className="sr-only">Loading the sessions</span>
      <div className="animate-appear [animation-delay:180ms]">
        {widths.map((width, index) => (
          <div key={index} className="flex h-13 flex-col justify-center gap-2 px-2">
            <div className={`h-3.5 rounded-small bg-bubble ${width}`} />
            <div className="h-3 w-1/3 rounded-small bg-bubble" />
          </div>
        ))}
      </div>
    </div>
  );
}
