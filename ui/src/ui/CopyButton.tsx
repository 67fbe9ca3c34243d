/**
 * Copies a text and says so: the icon turns into a tick for a moment, and its name with it.
 */
import { useEffect, useState } from 'react';
import { Check, Copy } from 'lucide-react';
import { IconButton } from './Button';
import { failureText, useToasts } from './toasts';

const confirmMs = 1_600;

export function CopyButton({ text, label = 'Copy' }: { text: string; label?: string }) {
  const [copied, setCopied] = useState(false);
  const show = useToasts((store) => store.show);

  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), confirmMs);
    return () => clearTimeout(timer);
  }, [copied]);

  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch (cause) {
      show(failureText('Could not copy', cause));
    }
  };

  return (
    <IconButton label={copied ? 'Copied' : label} onClick={() => void copy()} small>
      {copied ? <Check size={16} className="text-accent" /> : <Copy size={16} />}
    </IconButton>
  );
}
