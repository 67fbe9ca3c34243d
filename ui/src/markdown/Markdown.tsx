/**
 * A message's markdown, drawn while it is being written and after.
 *
 * Owns no syntax and no drawing: it keeps the document of one message (`parse/document.ts`), and
 * draws what changed of it.
 */
import { memo, useState } from 'react';
import { BlockView } from './BlockView';
import { DefinitionsContext } from './InlineText';
import type { Block } from './parse/blocks';
import { MarkdownDocument } from './parse/document';
import { Runs } from './Runs';
import './markdown.css';
import './blocks.css';

interface MarkdownProps {
  text: string;
  /** The text is still being written, and may grow. */
  streaming: boolean;
}

export const Markdown = memo(function Markdown({ text, streaming }: MarkdownProps) {
  const [document] = useState(() => new MarkdownDocument());
  const { blocks, definitions } = document.update(text, streaming);
  return (
    <DefinitionsContext value={definitions}>
      <div className="md">
        <Runs items={blocks} live={streaming} context={undefined} draw={drawBlock} />
      </div>
    </DefinitionsContext>
  );
});

function drawBlock(block: Block, live: boolean) {
  return <BlockView block={block} live={live} />;
}
