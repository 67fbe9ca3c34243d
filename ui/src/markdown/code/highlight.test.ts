import { beforeAll, describe, expect, it } from 'vitest';
import { CodeReader, load, mayColour, type Piece, type Span } from './highlight';
import { readCodeKind, type Language } from './languages';

const python = readCodeKind('python').language!;
const typescript = readCodeKind('ts').language!;

const code = `import os

def f(x: int) -> str:
    """A text
    over several

    lines."""
    return "é👩‍👩‍👧‍👦" + str(x)  # done

class A(f):
    b = [1, 2.5, None]
`.repeat(12);

const textOf = (spans: readonly Span[]): string =>
  spans.map((span) => (typeof span === 'string' ? span : textOf(span.children))).join('');
const text = (pieces: readonly Piece[]) => pieces.map((piece) => textOf(piece.spans)).join('');
const scopes = (spans: readonly Span[]): string[] =>
  spans.flatMap((span) => (typeof span === 'string' ? [] : [span.scope, ...scopes(span.children)]));

const read = (source: string, language: Language) => new CodeReader(language).read(source, false);

describe('coloured code', () => {
  beforeAll(async () => {
    await load(python);
    await load(typescript);
  });

  it('names what it sees and loses nothing', () => {
    const pieces = read(code, python);
    expect(text(pieces)).toBe(code);
    expect(new Set(pieces.flatMap((piece) => scopes(piece.spans)))).toEqual(
      new Set(['keyword', 'title', 'params', 'string', 'built_in', 'comment', 'number', 'literal']),
    );
  });

  it('ends up the same however it came, and never loses a character on the way', () => {
    const reader = new CodeReader(python);
    for (let length = 1; length < code.length; length += 13) {
      expect(text(reader.read(code.slice(0, length), true))).toBe(code.slice(0, length));
    }
    expect(reader.read(code, false)).toEqual(read(code, python));
  });

  it('keeps finished pieces as they are', () => {
    const reader = new CodeReader(python);
    const [first] = reader.read(code.slice(0, 900), true);
    expect(reader.read(code, true)[0]).toBe(first);
    expect(first!.text.endsWith('\n')).toBe(true);
  });

  it('does not end a piece within a construct', () => {
    const source = `x = """\n${'line\n'.repeat(40)}"""\ny = 1\n`;
    expect(scopes(read(source, python)[0]!.spans)).toEqual(['string', 'number']);
  });

  it('leaves very long code and very long lines plain', () => {
    expect(mayColour('x\n'.repeat(40_000))).toBe(false);
    expect(mayColour('x'.repeat(5_000))).toBe(false);
    expect(mayColour(code)).toBe(true);
  });
});

describe('readCodeKind', () => {
  it.each([
    ['python', 'Python', 'py'],
    ['PY title="x"', 'Python', 'py'],
    ['ts', 'TypeScript', 'ts'],
    ['language-js', 'JavaScript', 'js'],
    ['c++', 'C++', 'cpp'],
    ['rust,no_run', 'Rust', 'rs'],
    ['js{1,3}', 'JavaScript', 'js'],
    ['mermaid', 'Mermaid', 'txt'],
    ['Brainfuck', 'Brainfuck', 'txt'],
    ['', '', 'txt'],
    ['constructor', 'constructor', 'txt'],
    ['__proto__', '__proto__', 'txt'],
  ])('%j is %j, downloaded as .%s', (info, name, extension) => {
    expect(readCodeKind(info)).toMatchObject({ name, extension });
  });
});
