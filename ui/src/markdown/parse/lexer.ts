/**
 * marked's lexer, with our rules and within bounds.
 *
 * Blocks and inline text are lexed apart, so that a block can be cut out of a growing text without
 * reading its words again. HTML is never a token and ends no block: it stays text, but for `<br>`,
 * which is a line break. A link definition is one line, so that no later line can change an earlier block.
 * Nesting deeper than `deepestNesting` is text, and no input makes the lexer throw.
 */
import {
  Hooks,
  Lexer,
  Tokenizer,
  type MarkedOptions,
  type Token,
  type Tokens,
  type TokensList,
} from 'marked';
import * as formula from './formula';

export const deepestNesting = 12;

/** Inline text longer than this, or with more marks than this, is not read for emphasis or links. */
const longestInline = 10_000;
const mostMarks = 3_000;
const marks = /[*_~[\]`<$\\!&@]/g;

export type Definitions = ReadonlyMap<string, { href: string; title: string | null }>;

export interface LexedBlocks {
  tokens: Token[];
  /** The inline text behind each token list that marked would have filled. */
  inline: ReadonlyMap<Token[], string>;
  definitions: Definitions;
}

/** Emphasis that starts before a formula does not end in it. */
class MaskingHooks extends Hooks {
  override emStrongMask(src: string): string {
    return formula.maskFormulas(src);
  }
}

const masking = new MaskingHooks();

/** HTML does not end a list item either. */
const never = /(?!)/;
const mayHoldFormula = /[$\\]/;

function formulas(live: boolean): MarkedOptions {
  return {
    hooks: masking,
    extensions: {
      renderers: {},
      childTokens: {},
      block: [live ? formula.liveDisplayTokenizer : formula.displayTokenizer],
      startBlock: [formula.startOfDisplay],
      inline: [formula.inlineTokenizer],
      startInline: [formula.startOfInline],
    },
  };
}

class PlainTokenizer extends Tokenizer {
  override html(): undefined {
    return undefined;
  }

  override tag(src: string): Tokens.Tag | undefined {
    const raw = /^<br[ \t]*\/?>/i.exec(src)?.[0];
    if (!raw) return undefined;
    return { type: 'html', raw, text: raw, inLink: false, inRawBlock: false, block: false };
  }

  /** A line of `=` below the start of a formula belongs to the formula. */
  override lheading(src: string): Tokens.Heading | undefined {
    const heading = super.lheading(src);
    return heading && formula.hasDisplayStart(heading.text) ? undefined : heading;
  }

  override def(src: string): Tokens.Def | undefined {
    const end = src.indexOf('\n');
    return super.def(end < 0 ? src : src.slice(0, end + 1));
  }
}

class BoundedLexer extends Lexer {
  #depth = 0;

  constructor(src: string, live: boolean) {
    const tokenizer = new PlainTokenizer();
    super({ gfm: true, breaks: true, tokenizer, ...(mayHoldFormula.test(src) ? formulas(live) : {}) });
    const { other } = tokenizer.rules;
    tokenizer.rules = { ...tokenizer.rules, other: { ...other, htmlBeginRegex: () => never } };
  }

  override blockTokens(src: string, tokens?: Token[], clipped?: boolean): Token[];
  override blockTokens(src: string, tokens?: TokensList, clipped?: boolean): TokensList;
  override blockTokens(src: string, tokens: Token[] = [], clipped = false): Token[] {
    if (this.#depth >= deepestNesting) {
      tokens.push({ type: 'text', raw: src, text: src, tokens: this.inline(src) });
      this.state.top = true;
      return tokens;
    }
    this.#depth += 1;
    try {
      return super.blockTokens(src, tokens, clipped);
    } finally {
      this.#depth -= 1;
    }
  }

  override inlineTokens(src: string, tokens: Token[] = []): Token[] {
    if (this.#depth >= deepestNesting) {
      tokens.push({ type: 'text', raw: src, text: src });
      return tokens;
    }
    this.#depth += 1;
    try {
      return super.inlineTokens(src, tokens);
    } finally {
      this.#depth -= 1;
    }
  }
}

/** Reads the blocks of `src`; with `live`, a display formula open at its end counts as one. */
export function lexBlocks(src: string, live = false): LexedBlocks {
  const lexer = new BoundedLexer(src, live);
  const tokens = lexer.blockTokens(src, []);
  const definitions = Object.entries(lexer.tokens.links).map(
    ([label, { href, title }]) => [label, { href: href ?? '', title: title ?? null }] as const,
  );
  return {
    tokens,
    inline: new Map(lexer.inlineQueue.map((entry) => [entry.tokens, entry.src])),
    definitions: new Map(definitions),
  };
}

/** Reads the words of one block. */
export function lexInline(src: string, definitions: Definitions): Token[] {
  const tooMuch = src.length > longestInline || (src.match(marks)?.length ?? 0) > mostMarks;
  if (tooMuch) return [{ type: 'text', raw: src, text: src }];
  const lexer = new BoundedLexer(src, false);
  for (const [label, target] of definitions) lexer.tokens.links[label] = target;
  return lexer.inlineTokens(src, []);
}
