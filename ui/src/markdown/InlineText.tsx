/**
 * The words of one block: emphasis, code, links, formulas.
 *
 * Drawn again only when its text changes or a definition that it refers to appears. Nothing that
 * the text holds becomes an element or an attribute of its own choosing: a link is one only if its
 * address passes `safeAddress`, an image is a link to itself (to load it would tell its host who
 * reads), and HTML is text.
 */
import { createContext, Fragment, memo, use, useMemo, type ReactNode } from 'react';
import { Image as ImageIcon } from 'lucide-react';
import type { Token, Tokens } from 'marked';
import { decodeReferences, safeAddress } from './parse/addresses';
import type { FormulaToken } from './parse/formula';
import { lexInline, type Definitions } from './parse/lexer';
import { completeInline } from './parse/unfinished';
import { Formula } from './math/Formula';

interface InlineTextProps {
  text: string;
  /** The text is still being written, and this is its end. */
  live?: boolean;
}

export const DefinitionsContext = createContext<Definitions>(new Map());

const noDefinitions: Definitions = new Map();

export const InlineText = memo(function InlineText({ text, live = false }: InlineTextProps) {
  const source = live ? completeInline(text) : text;
  return source.includes('[') ? <ReferringText text={source} /> : draw(lexInline(source, noDefinitions));
});

/** Text that may refer to definitions; each has one meaning for good, so their names tell a change. */
function ReferringText({ text }: { text: string }) {
  const definitions = use(DefinitionsContext);
  const used = useMemo(() => {
    const plain = normalise(text);
    return definitions.size ? [...definitions].filter(([label]) => plain.includes(normalise(label))) : [];
  }, [definitions, text]);
  const key = used.map(([label, { href }]) => `${label}\n${href}`).join('\n');
  return useMemo(() => draw(lexInline(text, new Map(used))), [text, key]);
}

const normalise = (text: string) => text.replace(/\\/g, '').replace(/\s+/g, ' ').toLowerCase();

function draw(tokens: readonly Token[]): ReactNode {
  if (tokens.length === 1) return drawToken(tokens[0]!);
  return tokens.map((token, index) => <Fragment key={index}>{drawToken(token)}</Fragment>);
}

function drawToken(token: Token): ReactNode {
  switch (token.type) {
    case 'text':
      return decodeReferences((token as Tokens.Text).text);
    case 'strong':
      return <strong>{draw(token.tokens ?? [])}</strong>;
    case 'em':
      return <em>{draw(token.tokens ?? [])}</em>;
    case 'del':
      return <del>{draw(token.tokens ?? [])}</del>;
    case 'codespan':
      return <code>{(token as Tokens.Codespan).text}</code>;
    case 'br':
    case 'html':
      return <br />;
    case 'link':
      return drawLink(token as Tokens.Link);
    case 'image':
      return drawImage(token as Tokens.Image);
    case 'formula': {
      const { tex, display } = token as FormulaToken;
      return <Formula tex={tex} display={display} />;
    }
    default:
      return 'text' in token ? String(token.text) : token.raw;
  }
}

function drawLink({ href, title, text, tokens, autolink }: Tokens.Link): ReactNode {
  const address = autolink ? href : decodeReferences(href);
  const words = autolink ? text : draw(tokens);
  const safe = safeAddress(address);
  if (safe === null) return autolink ? text : <Refused address={address}>{words}</Refused>;
  return (
    <Outward href={safe} title={title}>
      {words}
    </Outward>
  );
}

function drawImage({ href, title, text }: Tokens.Image): ReactNode {
  const address = decodeReferences(href);
  const safe = safeAddress(address);
  const words = decodeReferences(text) || 'Image';
  if (safe === null || safe.startsWith('mailto:')) return <Refused address={address}>{words}</Refused>;
  return (
    <Outward href={safe} title={title} image>
      <ImageIcon aria-hidden="true" size="1em" />
      {words}
    </Outward>
  );
}

interface OutwardProps {
  href: string;
  title: string | null | undefined;
  image?: boolean;
  children: ReactNode;
}

function Outward({ href, title, image = false, children }: OutwardProps) {
  const name = title ? decodeReferences(title) : undefined;
  return (
    <a
      href={href}
      title={name}
      target="_blank"
      rel="noopener noreferrer nofollow"
      className={image ? 'md-image' : undefined}
    >
      {children}
    </a>
  );
}

/** A link that may not be one: its words, and its address as text, so that nothing is lost. */
function Refused({ address, children }: { address: string; children: ReactNode }) {
  const shown = address.length > 120 ? `${address.slice(0, 120)}…` : address;
  return (
    <>
      {children}
      {shown && <span className="md-refused"> ({shown})</span>}
    </>
  );
}
