/**
 * A whole screen that says what went wrong and offers the ways on.
 */
import type { ReactNode } from 'react';

interface PleaProps {
  title: string;
  children: ReactNode;
  actions: ReactNode;
  /** Stands under the ways on. */
  aside?: ReactNode;
}

export function Plea({ title, children, actions, aside }: PleaProps) {
  return (
    <div role="alert" className="m-auto w-full max-w-110 animate-appear px-6 py-12">
      <h2 className="text-title font-medium text-balance">{title}</h2>
      <p className="pt-2 text-body text-soft">{children}</p>
      <div className="flex flex-wrap gap-2 pt-5">{actions}</div>
      {aside}
    </div>
  );
}
