/**
 * The programming languages that code blocks know: what a fence may call them, how they are shown,
 * what a download is named, and how their grammar is loaded.
 *
 * Each grammar is a chunk of its own, loaded when the first block in that language appears.
 */
import type { LanguageFn } from 'highlight.js';

type Grammar = () => Promise<{ default: LanguageFn }>;

export interface Language {
  id: string;
  name: string;
  extension: string;
  grammar: Grammar;
  /** Languages that may stand inside it. */
  holds: readonly string[];
}

function language(id: string, name: string, extension: string, grammar: Grammar, ...holds: string[]): Language {
  return { id, name, extension, grammar, holds };
}

const languages: readonly Language[] = [
  language('bash', 'Shell', 'sh', () => import('highlight.js/lib/languages/bash')),
  language('c', 'C', 'c', () => import('highlight.js/lib/languages/c')),
  language('cpp', 'C++', 'cpp', () => import('highlight.js/lib/languages/cpp')),
  language('csharp', 'C#', 'cs', () => import('highlight.js/lib/languages/csharp')),
  language('css', 'CSS', 'css', () => import('highlight.js/lib/languages/css')),
  language('dart', 'Dart', 'dart', () => import('highlight.js/lib/languages/dart')),
  language('diff', 'Diff', 'diff', () => import('highlight.js/lib/languages/diff')),
  language('dockerfile', 'Dockerfile', 'dockerfile', () => import('highlight.js/lib/languages/dockerfile'), 'bash'),
  language('elixir', 'Elixir', 'ex', () => import('highlight.js/lib/languages/elixir')),
  language('go', 'Go', 'go', () => import('highlight.js/lib/languages/go')),
  language('graphql', 'GraphQL', 'graphql', () => import('highlight.js/lib/languages/graphql')),
  language('haskell', 'Haskell', 'hs', () => import('highlight.js/lib/languages/haskell')),
  language('http', 'HTTP', 'http', () => import('highlight.js/lib/languages/http')),
  language('ini', 'TOML', 'toml', () => import('highlight.js/lib/languages/ini')),
  language('java', 'Java', 'java', () => import('highlight.js/lib/languages/java')),
  language('javascript', 'JavaScript', 'js', () => import('highlight.js/lib/languages/javascript'), 'xml', 'css'),
  language('json', 'JSON', 'json', () => import('highlight.js/lib/languages/json')),
  language('julia', 'Julia', 'jl', () => import('highlight.js/lib/languages/julia')),
  language('kotlin', 'Kotlin', 'kt', () => import('highlight.js/lib/languages/kotlin')),
  language('latex', 'LaTeX', 'tex', () => import('highlight.js/lib/languages/latex')),
  language('lua', 'Lua', 'lua', () => import('highlight.js/lib/languages/lua')),
  language('makefile', 'Makefile', 'mk', () => import('highlight.js/lib/languages/makefile')),
  language('markdown', 'Markdown', 'md', () => import('highlight.js/lib/languages/markdown'), 'xml'),
  language('matlab', 'MATLAB', 'm', () => import('highlight.js/lib/languages/matlab')),
  language('nginx', 'nginx', 'conf', () => import('highlight.js/lib/languages/nginx')),
  language('perl', 'Perl', 'pl', () => import('highlight.js/lib/languages/perl')),
  language('php', 'PHP', 'php', () => import('highlight.js/lib/languages/php')),
  language('powershell', 'PowerShell', 'ps1', () => import('highlight.js/lib/languages/powershell')),
  language('protobuf', 'Protocol Buffers', 'proto', () => import('highlight.js/lib/languages/protobuf')),
  language('python', 'Python', 'py', () => import('highlight.js/lib/languages/python')),
  language('r', 'R', 'r', () => import('highlight.js/lib/languages/r')),
  language('ruby', 'Ruby', 'rb', () => import('highlight.js/lib/languages/ruby')),
  language('rust', 'Rust', 'rs', () => import('highlight.js/lib/languages/rust')),
  language('scala', 'Scala', 'scala', () => import('highlight.js/lib/languages/scala')),
  language('scss', 'SCSS', 'scss', () => import('highlight.js/lib/languages/scss')),
  language('shell', 'Console', 'txt', () => import('highlight.js/lib/languages/shell'), 'bash'),
  language('sql', 'SQL', 'sql', () => import('highlight.js/lib/languages/sql')),
  language('swift', 'Swift', 'swift', () => import('highlight.js/lib/languages/swift')),
  language('typescript', 'TypeScript', 'ts', () => import('highlight.js/lib/languages/typescript'), 'xml', 'css'),
  language('xml', 'HTML', 'html', () => import('highlight.js/lib/languages/xml'), 'javascript', 'css'),
  language('yaml', 'YAML', 'yaml', () => import('highlight.js/lib/languages/yaml')),
];

const byId = new Map(languages.map((entry) => [entry.id, entry]));

const aliases: Readonly<Record<string, string>> = {
  sh: 'bash', zsh: 'bash', 'shell-script': 'bash', console: 'shell', shellsession: 'shell', terminal: 'shell',
  h: 'c', 'c++': 'cpp', cc: 'cpp', hpp: 'cpp', cxx: 'cpp', 'c#': 'csharp', cs: 'csharp', patch: 'diff',
  docker: 'dockerfile', ex: 'elixir', exs: 'elixir', golang: 'go', gql: 'graphql', hs: 'haskell',
  toml: 'ini', conf: 'ini', env: 'ini', dotenv: 'ini', properties: 'ini', js: 'javascript', jsx: 'javascript',
  mjs: 'javascript', cjs: 'javascript', node: 'javascript', json5: 'json', jsonc: 'json', jsonl: 'json',
  ndjson: 'json', jl: 'julia', kt: 'kotlin', kts: 'kotlin', tex: 'latex', make: 'makefile', mk: 'makefile',
  md: 'markdown', mdx: 'markdown', pl: 'perl', pm: 'perl', ps: 'powershell', ps1: 'powershell', pwsh: 'powershell',
  proto: 'protobuf', py: 'python', py3: 'python', python3: 'python', gyp: 'python', ipython: 'python',
  rb: 'ruby', rs: 'rust', sass: 'scss', less: 'scss', postgres: 'sql', postgresql: 'sql', pgsql: 'sql',
  plpgsql: 'sql', mysql: 'sql', sqlite: 'sql', tsql: 'sql', ts: 'typescript', tsx: 'typescript', mts: 'typescript',
  cts: 'typescript', html: 'xml', xhtml: 'xml', svg: 'xml', rss: 'xml', vue: 'xml', svelte: 'xml', yml: 'yaml',
};

/** Names that say more than the grammar that colours them. */
const shownNames: Readonly<Record<string, string>> = {
  xml: 'XML', svg: 'SVG', vue: 'Vue', svelte: 'Svelte', jsx: 'JSX', tsx: 'TSX', mdx: 'MDX', less: 'Less', sass: 'Sass',
  zsh: 'Zsh', ini: 'INI', env: 'Environment', dotenv: 'Environment', mysql: 'MySQL', postgresql: 'PostgreSQL',
  postgres: 'PostgreSQL', sqlite: 'SQLite', jsonl: 'JSON Lines', mermaid: 'Mermaid', text: 'Text', txt: 'Text',
  plaintext: 'Text', csv: 'CSV',
};

export interface CodeKind {
  /** What the block's head says; empty when its author did not say. */
  name: string;
  extension: string;
  /** null when no grammar is known: the code is shown plain. */
  language: Language | null;
}

/** Reads the word that an author wrote behind the fence. */
export function readCodeKind(info: string): CodeKind {
  const word = /^[^\s{,:;]*/.exec(info.trim())![0].replace(/^language-/i, '').slice(0, 32);
  const key = word.toLowerCase();
  const language = byId.get(Object.hasOwn(aliases, key) ? aliases[key]! : key) ?? null;
  const shown = Object.hasOwn(shownNames, key) ? shownNames[key]! : undefined;
  return { name: shown ?? language?.name ?? word, extension: language?.extension ?? 'txt', language };
}

/** The language of that id, for one that stands inside another. */
export function languageById(id: string): Language | undefined {
  return byId.get(id);
}
