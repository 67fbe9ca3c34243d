/**
 * Code in colours: loads the language when it is first needed, and shows the code plain until then
 * and for good if it cannot be loaded.
 */
import { useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { CodeReader, isLoaded, load, mayColour, type Piece, type Span } from './highlight';
import type { Language } from './languages';
import { Runs } from '../Runs';

interface HighlightedCodeProps {
  text: string;
  language: Language;
  live: boolean;
}

export function HighlightedCode({ text, language, live }: HighlightedCodeProps) {
  const ready = useLanguage(language) && mayColour(text);
  const kept = useRef<{ language: Language; text: string; reader: CodeReader } | null>(null);
  const pieces = useMemo(() => {
    if (!ready) return null;
    const last = kept.current;
    const grew = last?.language === language && text.startsWith(last.text);
    const reader = grew ? last.reader : new CodeReader(language);
    kept.current = { language, text, reader };
    return reader.read(text, live);
  }, [ready, text, language, live]);
  if (!pieces) return text;
  return <Runs items={pieces} live={false} context={undefined} draw={drawPiece} />;
}

function useLanguage(language: Language): boolean {
  const [, setLoads] = useState(0);
  const loaded = isLoaded(language);
  useEffect(() => {
    if (loaded) return;
    let wanted = true;
    load(language).then(
      () => wanted && setLoads((count) => count + 1),
      () => undefined,
    );
    return () => {
      wanted = false;
    };
  }, [language, loaded]);
  return loaded;
}

/** A piece is laid out by itself, so that of growing code only the last one is laid out again. */
function drawPiece(piece: Piece) {
  return <span className="md-piece">{draw(piece.spans)}</span>;
}

function draw(spans: readonly Span[]): ReactNode {
  return spans.map((span, index) =>
    typeof span === 'string' ? (
      span
    ) : (
      <span key={index} className={`hl-${span.scope}`}>
        {draw(span.children)}
      </span>
    ),
  );
}
