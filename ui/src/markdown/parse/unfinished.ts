/**
 * Completes the inline marks that are still open at the end of a growing text.
 *
 * `**bol` is drawn bold at once, half a link shows its words and not its brackets, and a mark with
 * nothing behind it yet is not drawn. One pass; only the newest part of the text is touched, so
 * that an old bracket or asterisk that never closes stays what it is.
 */
import { readInline } from './formula';

/** A bracket or code mark opened further back than this is taken for text; emphasis may be longer. */
const nearEnd = 240;
const longestEmphasis = 1_000;

/** What only mathematics begins with. */
const unfinishedFormula = /^(?:\\[([]|\$\$|\$(?:\\[a-zA-Z]|[a-zA-Z]{1,2}(?:[_^({=+<>,' -]|$)|[({]))/;

interface Mark {
  character: string;
  length: number;
  at: number;
}

interface Scan {
  marks: Mark[];
  brackets: { at: number; image: boolean }[];
  cuts: [from: number, to: number][];
  /** What closes a code span at the end. */
  code: string;
}

const isSpace = (character: string | undefined) => !character || /\s/.test(character);
const isWord = (character: string | undefined) => !!character && /[\p{L}\p{N}]/u.test(character);

export function completeInline(text: string): string {
  const scan: Scan = { marks: [], brackets: [], cuts: [], code: '' };
  for (let at = 0; at < text.length; ) at = step(text, at, scan);
  for (const bracket of scan.brackets) {
    if (bracket.at < text.length - nearEnd) continue;
    scan.cuts.push([bracket.at - (bracket.image ? 1 : 0), bracket.at + 1]);
  }
  let out = '';
  let from = 0;
  for (const [start, end] of scan.cuts.sort((a, b) => a[0] - b[0])) {
    out += text.slice(from, Math.max(from, start));
    from = Math.max(from, end);
  }
  out += text.slice(from) + scan.code;
  const recent = scan.marks.filter((mark) => mark.at > text.length - longestEmphasis);
  const closers = recent.reverse().map(({ character, length }) => character.repeat(length));
  return closers.length ? out.trimEnd() + closers.join('') : out;
}

/** Takes what stands at `at` and returns where to go on. */
function step(text: string, at: number, scan: Scan): number {
  const character = text[at]!;
  if (character === '\\' || character === '$') {
    const formula = readInline(text.slice(at, at + 2_000), text[at - 1] ?? '');
    if (formula) return at + formula.raw.length;
    const unfinished = text.length - at < nearEnd && unfinishedFormula.test(text.slice(at));
    if (unfinished || at === text.length - 1) return cutRest(text, at, scan);
    return at + (character === '$' ? 1 : 2);
  }
  if (character === '`') return takeCode(text, at, scan);
  if (character === '[') scan.brackets.push({ at, image: text[at - 1] === '!' });
  else if (character === '!' && at === text.length - 1) scan.cuts.push([at, at + 1]);
  else if (character === ']') return takeLinkEnd(text, at, scan);
  else if (character === '*' || character === '_' || character === '~') return takeMark(text, at, scan);
  return at + 1;
}

function cutRest(text: string, at: number, scan: Scan): number {
  scan.cuts.push([at, text.length]);
  return text.length;
}

function runLength(text: string, at: number): number {
  let end = at + 1;
  while (text[end] === text[at]) end += 1;
  return end - at;
}

function takeCode(text: string, at: number, scan: Scan): number {
  const length = runLength(text, at);
  for (let next = text.indexOf('`', at + length); next >= 0; ) {
    const other = runLength(text, next);
    if (other === length) return next + length;
    next = text.indexOf('`', next + other);
  }
  if (text.length - at > nearEnd && text.length - at > length) return at + length;
  const rest = text.slice(at + length);
  if (!rest.trim()) return cutRest(text, at, scan);
  const half = /`+$/.exec(rest)?.[0].length ?? 0;
  scan.code = half < length ? '`'.repeat(length - half) : ' ' + '`'.repeat(length);
  return text.length;
}

function takeLinkEnd(text: string, at: number, scan: Scan): number {
  const bracket = scan.brackets.pop();
  if (!bracket) return at + 1;
  const mark = text[at + 1];
  if (mark !== undefined && mark !== '(') return at + 1;
  const end = mark ? endOfTarget(text, at + 1) : -1;
  if (end >= 0) return end;
  if (text.length - at > 2_000 || /\n/.test(text.slice(at))) return at + 1;
  scan.cuts.push([bracket.at - (bracket.image ? 1 : 0), bracket.at + 1], [at, text.length]);
  return text.length;
}

function endOfTarget(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at += 1) {
    const character = text[at];
    if (character === '\\') at += 1;
    else if (character === '(') depth += 1;
    else if (character === ')' && (depth -= 1) === 0) return at + 1;
  }
  return -1;
}

function takeMark(text: string, at: number, scan: Scan): number {
  const character = text[at]!;
  const length = runLength(text, at);
  const end = at + length;
  const before = text[at - 1];
  const after = text[end];
  if (character !== '*' && isWord(before) && isWord(after)) return end;
  if (!isSpace(before) && scan.marks.at(-1)?.character === character) {
    closeMarks(scan.marks, character, length);
    return end;
  }
  if (after === undefined) scan.cuts.push([at, end]);
  else if (!isSpace(after) && opens(character, length, before)) scan.marks.push({ character, length, at });
  return end;
}

function closeMarks(open: Mark[], character: string, length: number): void {
  for (let left = length; left > 0; ) {
    const mark = open.at(-1);
    if (mark?.character !== character) return;
    const used = Math.min(left, mark.length);
    left -= used;
    mark.length -= used;
    if (mark.length === 0) open.pop();
  }
}

function opens(character: string, length: number, before: string | undefined): boolean {
  if (character === '~') return length === 2;
  return length <= 3 && (length > 1 || !isWord(before));
}
