/**
 * The shape of a conversation while it loads: at the foot, where the transcript will stand, and only
 * if loading lasts long enough to be noticed.
 */
const lines = ['w-full', 'w-[94%]', 'w-[97%]', 'w-3/5'];

export function TranscriptSkeleton() {
  return (
    <div role="status" className="flex min-h-0 flex-1 flex-col justify-end overflow-hidden pb-6">
      <span className="sr-only">Loading the conversation</span>
      <div className="column animate-appear space-y-8 [animation-delay:180ms]">
        {['w-2/5', 'w-3/5'].map((width) => (
          <div key={width} className="space-y-6">
            <div className={`ml-auto h-10 rounded-large bg-bubble ${width}`} />
            <div className="space-y-3">
              {lines.map((line) => (
                <div key={line} className={`h-4 rounded-small bg-bubble ${line}`} />
              ))}
            </div>
          </div>
        ))}
      </div>
    </div>
  );
}
