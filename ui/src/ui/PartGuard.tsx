/**
 * Stands around a part of the page that may be missing or broken: says so in its place and offers to
 * load the page again, while everything beside it goes on.
 *
 * Never loads the page by itself: where that does not help, it would go round for ever, and what a
 * person is writing just then is theirs to leave.
 */
import type { ReactNode } from 'react';
import { Button } from './Button';
import { PartNotLoaded } from './lazy-part';
import { RenderGuard } from './RenderGuard';

interface PartGuardProps {
  /** The part as a sentence begins with it: "The conversation". */
  part: string;
  /** The part is tried again when this changes. */
  resetKey?: unknown;
  className?: string;
  children: ReactNode;
}

export function PartGuard({ part, resetKey, className = '', children }: PartGuardProps) {
  const fallback = (error: unknown) => (
    <div role="alert" className={`space-y-3 text-ui ${className}`}>
      <p className="text-soft">
        {error instanceof PartNotLoaded
          ? `${part} did not load. The server may have a newer version of this page, or could not be reached.`
          : `${part} ran into a problem and can not be shown.`}{' '}
        What you have written is kept.
      </p>
      <Button onClick={() => window.location.reload()}>Reload</Button>
    </div>
  );
  return (
    <RenderGuard fallback={fallback} resetKey={resetKey}>
      {children}
    </RenderGuard>
  );
}
