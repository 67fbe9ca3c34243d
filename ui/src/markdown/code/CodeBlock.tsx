/**
 * A block of code with a head: its language, and buttons to wrap, download and copy it.
 *
 * Takes part in the page's keyboard order because it may scroll sideways; says once, politely, that
 * it was copied.
 */
import { lazy, memo, Suspense, useState } from 'react';
import { Download, WrapText } from 'lucide-react';
import { IconButton } from '../../ui/Button';
import { CopyCode } from './CopyCode';
import { readCodeKind, type CodeKind } from './languages';

interface CodeBlockProps {
  info: string;
  text: string;
  /** The code is still being written. */
  live: boolean;
}

const Highlighted = lazy(async () => {
  try {
    return { default: (await import('./HighlightedCode')).HighlightedCode };
  } catch {
    return { default: ({ text }: { text: string }) => text };
  }
});

export const CodeBlock = memo(function CodeBlock({ info, text, live }: CodeBlockProps) {
  const [wrapped, setWrapped] = useState(false);
  const kind = readCodeKind(info);
  const label = kind.name ? `Code, ${kind.name}` : 'Code';
  return (
    <div className="md-code" role="group" aria-label={label}>
      <div className="md-code-head">
        <span className="md-code-name">{kind.name || 'Code'}</span>
        <IconButton label="Wrap lines" aria-pressed={wrapped} onClick={() => setWrapped(!wrapped)}>
          <WrapText aria-hidden="true" size={16} />
        </IconButton>
        <IconButton label="Download code" onClick={() => download(text, kind)}>
          <Download aria-hidden="true" size={16} />
        </IconButton>
        <CopyCode text={text} />
      </div>
      <pre tabIndex={0} dir="ltr" className={wrapped ? 'md-wrapped' : undefined}>
        <code>
          {kind.language ? (
            <Suspense fallback={text}>
              <Highlighted text={text} language={kind.language} live={live} />
            </Suspense>
          ) : (
            text
          )}
        </code>
      </pre>
    </div>
  );
});

function download(text: string, kind: CodeKind): void {
  const address = URL.createObjectURL(new Blob([text, '\n'], { type: 'text/plain;charset=utf-8' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = kind.language?.id === 'dockerfile' ? 'Dockerfile' : `code.${kind.extension}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
