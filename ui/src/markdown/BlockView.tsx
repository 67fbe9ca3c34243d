/**
 * Draws one block of a message as React elements.
 *
 * A block is drawn again only when it is another object than before; in a list or table that still
 * grows, so is each item and row. Text direction follows the text itself, block by block.
 */
import { memo } from 'react';
import { Square, SquareCheck } from 'lucide-react';
import { CodeBlock } from './code/CodeBlock';
import { InlineText } from './InlineText';
import { Formula } from './math/Formula';
import { FormulaSource } from './math/FormulaSource';
import type { Alignment, Block, List, ListItem, Table } from './parse/blocks';
import { Runs } from './Runs';

interface BlockViewProps {
  block: Block;
  /** The block is the end of a text that is still being written. */
  live: boolean;
  nested?: boolean;
}

export const BlockView = memo(function BlockView({ block, live, nested = false }: BlockViewProps) {
  const dir = nested ? undefined : 'auto';
  switch (block.kind) {
    case 'paragraph':
      return (
        <p dir={dir}>
          <InlineText text={block.text} live={live} />
        </p>
      );
    case 'heading': {
      const Heading = `h${block.level}` as 'h2';
      return (
        <Heading dir={dir} className={`md-h${block.size}`}>
          <InlineText text={block.text} live={live} />
        </Heading>
      );
    }
    case 'code':
      return <CodeBlock info={block.info} text={block.text} live={live} />;
    case 'formula':
      return <FormulaBlock tex={block.tex} open={block.open} />;
    case 'quote':
      return (
        <blockquote dir={dir}>
          <Blocks blocks={block.blocks} live={live} />
        </blockquote>
      );
    case 'list':
      return <ListView list={block} live={live} dir={dir} />;
    case 'table':
      return <TableView table={block} live={live} dir={dir} />;
    case 'rule':
      return <hr />;
    case 'plain':
      return (
        <div className="md-plain" dir={dir}>
          {block.text}
        </div>
      );
  }
});

function Blocks({ blocks, live }: { blocks: readonly Block[]; live: boolean }) {
  return blocks.map((block, index) => (
    <BlockView key={index} block={block} live={live && index === blocks.length - 1} nested />
  ));
}

function FormulaBlock({ tex, open }: { tex: string; open: boolean }) {
  return (
    <div className="md-formula-block" tabIndex={0} role="group" aria-label="Formula">
      {open ? <FormulaSource tex={tex} display /> : <Formula tex={tex} display />}
    </div>
  );
}

interface ListViewProps {
  list: List;
  live: boolean;
  dir: 'auto' | undefined;
}

function ListView({ list, live, dir }: ListViewProps) {
  const items = <Runs items={list.items} live={live} context={undefined} draw={drawItem} />;
  const className = list.loose ? 'md-loose' : 'md-tight';
  if (!list.ordered) {
    return (
      <ul dir={dir} className={className}>
        {items}
      </ul>
    );
  }
  const { start } = list;
  const room = digits(start + list.items.length - 1);
  return (
    <ol dir={dir} className={`${className} ${room}`} start={start === 1 ? undefined : start}>
      {items}
    </ol>
  );
}

/** The room that an ordered list's widest number needs. */
function digits(number: number): string {
  const count = String(number).length;
  return count < 3 ? '' : `md-digits-${Math.min(count, 6)}`;
}

function drawItem(item: ListItem, live: boolean) {
  return <ItemView item={item} live={live} />;
}

const ItemView = memo(function ItemView({ item, live }: { item: ListItem; live: boolean }) {
  if (item.checked === null) {
    return (
      <li dir="auto">
        <Blocks blocks={item.blocks} live={live} />
      </li>
    );
  }
  const Box = item.checked ? SquareCheck : Square;
  return (
    <li dir="auto" className="md-task">
      <Box role="img" aria-label={item.checked ? 'Done' : 'To do'} className="md-box" size="1.05em" />
      <Blocks blocks={item.blocks} live={live} />
    </li>
  );
});

interface TableViewProps {
  table: Table;
  live: boolean;
  dir: 'auto' | undefined;
}

function TableView({ table, live, dir }: TableViewProps) {
  const empty = table.rows.length === 0;
  return (
    <div className="md-table" tabIndex={0} role="group" aria-label="Table">
      <table dir={dir}>
        <thead>
          <tr>
            {table.head.map((text, index) =>
              // A heading without words is none, though its place in the row is kept.
              text.trim() === '' ? (
                <td key={index} />
              ) : (
                <th key={index} scope="col" className={aligned(table.align[index])}>
                  <InlineText text={text} live={live && empty} />
                </th>
              ),
            )}
          </tr>
        </thead>
        {!empty && (
          <tbody>
            <Runs items={table.rows} live={live} context={table.align} draw={drawRow} />
          </tbody>
        )}
      </table>
    </div>
  );
}

function drawRow(row: readonly string[], live: boolean, align: readonly Alignment[]) {
  return <RowView row={row} align={align} live={live} />;
}

interface RowViewProps {
  row: readonly string[];
  align: readonly Alignment[];
  live: boolean;
}

const RowView = memo(function RowView({ row, align, live }: RowViewProps) {
  return (
    <tr>
      {row.map((text, index) => (
        <td key={index} className={aligned(align[index])}>
          <InlineText text={text} live={live} />
        </td>
      ))}
    </tr>
  );
});

function aligned(alignment: Alignment | undefined): string | undefined {
  return alignment ? `md-${alignment}` : undefined;
}
