/**
 * Draws one formula with KaTeX into a node of its own, never through an HTML string.
 *
 * The page's policy forbids style attributes. KaTeX sets the styles of what is seen on the nodes,
 * which the policy allows, but gives a few of the nodes for screen readers a style attribute; those
 * are taken off before any node is made. Commands that could load, link or style are off by
 * default (`trust`), and what one formula may expand to is bounded.
 */
import { useLayoutEffect, useRef, useState } from 'react';
import katex, { type KatexOptions } from 'katex';
import 'katex/dist/katex.min.css';
import { FormulaSource, type FormulaProps } from './FormulaSource';

const longestDrawn = 4_000;

/** What KaTeX makes before it makes DOM nodes. */
interface Tree {
  attributes?: Record<string, string>;
  classes?: string[];
  children?: Tree[];
  toNode(): Node;
}

// Exported by KaTeX "for advanced use cases", and left out of its types.
const { __renderToDomTree: build } = katex as unknown as {
  __renderToDomTree(tex: string, options: KatexOptions): Tree;
};

export function DrawnFormula({ tex, display }: FormulaProps) {
  const place = useRef<HTMLSpanElement>(null);
  const [unread, setUnread] = useState<string | null>(null);
  const readable = tex.length <= longestDrawn && unread !== tex;

  useLayoutEffect(() => {
    if (!readable) return;
    const node = drawn(tex, display);
    if (node) place.current?.replaceChildren(node);
    else setUnread(tex);
  }, [tex, display, readable]);

  if (!readable) return <FormulaSource tex={tex} display={display} />;
  return <span ref={place} dir="ltr" className={display ? 'md-formula md-display' : 'md-formula'} />;
}

function drawn(tex: string, displayMode: boolean): Node | null {
  try {
    const tree = build(tex, {
      displayMode,
      throwOnError: false,
      errorColor: 'currentColor',
      strict: 'ignore',
      maxSize: 40,
    });
    if (tree.classes?.includes('katex-error')) return null;
    withoutStyleAttributes(tree);
    return tree.toNode();
  } catch {
    return null;
  }
}

function withoutStyleAttributes(tree: Tree): void {
  if (tree.attributes) delete tree.attributes.style;
  tree.children?.forEach(withoutStyleAttributes);
}
