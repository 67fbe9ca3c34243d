/**
 * Copies a block's code: the icon turns into a tick for a moment, and a status line that is heard
 * and not seen says what happened.
 *
 * Over plain HTTP on another machine the browser has no clipboard API; the old command does then.
 */
import { useEffect, useState } from 'react';
import { Check, Copy } from 'lucide-react';
import { IconButton } from '../../ui/Button';

type Outcome = 'copied' | 'failed';

const shownMs = 2_000;

const said: Record<Outcome, string> = { copied: 'Code copied', failed: 'The code could not be copied' };

export function CopyCode({ text }: { text: string }) {
  const [outcome, setOutcome] = useState<Outcome | null>(null);

  useEffect(() => {
    if (!outcome) return;
    const timer = setTimeout(() => setOutcome(null), shownMs);
    return () => clearTimeout(timer);
  }, [outcome]);

  const copy = async () => setOutcome((await write(text)) ? 'copied' : 'failed');

  return (
    <>
      <IconButton label="Copy code" onClick={() => void copy()}>
        {outcome === 'copied' ? <Check aria-hidden="true" size={16} /> : <Copy aria-hidden="true" size={16} />}
      </IconButton>
      <span role="status" className="md-unseen">
        {outcome && said[outcome]}
      </span>
    </>
  );
}

async function write(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeBySelection(text);
  }
}

function writeBySelection(text: string): boolean {
  const focused = document.activeElement;
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'md-unseen';
  document.body.append(area);
  area.focus({ preventScroll: true });
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  return done;
}
