/**
 * A line that says what happened and what can be done about it, set into the page where it happened.
 */
import type { ReactNode } from 'react';
import { CircleAlert, CircleSlash, Info, TriangleAlert } from 'lucide-react';

const tones = {
  plain: { look: 'bg-bubble text-ink', mark: 'text-soft', Icon: CircleSlash },
  info: { look: 'bg-accent-tint text-ink', mark: 'text-accent', Icon: Info },
  warn: { look: 'bg-warn-tint text-ink', mark: 'text-warn', Icon: TriangleAlert },
  danger: { look: 'bg-danger-tint text-ink', mark: 'text-danger', Icon: CircleAlert },
} as const;

interface NoticeProps {
  tone: keyof typeof tones;
  children: ReactNode;
  actions?: ReactNode;
  className?: string;
}

export function Notice({ tone, children, actions, className = '' }: NoticeProps) {
  const { look, mark, Icon } = tones[tone];
  return (
    <div
      className={`flex flex-wrap items-center gap-x-3 gap-y-2 rounded-medium border border-transparent px-3 py-2 text-ui ${look} ${className}`}
    >
      <div className="flex min-w-0 flex-1 basis-48 items-start gap-3">
        <Icon size={16} className={`mt-0.5 shrink-0 ${mark}`} />
        <div className="min-w-0 wrap-anywhere">{children}</div>
      </div>
      {actions && <div className="flex flex-wrap gap-2">{actions}</div>}
    </div>
  );
}
