/**
 * Markdown for the tests: texts as people and models write them, and lines that together make what
 * nobody writes.
 */

export const samples: readonly string[] = [
  `# Title

Intro with **bold**, *em*, \`code\`, ~~struck~~ and [a link](https://example.com "t").
A second line of it.

1. One
   - nested *item*
   - another

     with a paragraph
2. Two
   \`\`\`python
   def f(x):
       return x
   \`\`\`
3. Three

- [x] done
- [ ] open

> Quoted **text**
> goes on
>
> > deeper

| a | b |
|:--|--:|
| 1 | 2 |
| 3 | \`x|y\` |

***

\`\`\`ts
const x: number = 1;
\`\`\`

$$
E = mc^2
$$

So \\(a+b\\) and \\[ c \\] cost $5 and $6, and $x_1 * y_2$ is not em*phasis*.

See [ref] and [other][ref].

[ref]: https://example.com/ref "Reference"

Setext
======

    indented code

    more of it

Last words`,
  'مرحبا **بالعالم** و`code`\n\n- عنصر أول\n- عنصر *ثان*\n\nשלום [קישור](https://example.com/א) 1 + 2 = 3',
  '中文段落，包含**粗体**、`代码`和数学 $E=mc^2$。\n下一行\n\n1. 第一\n2. 第二\n\n| 列 | 值 |\n|---|---|\n| 甲 | 1 |',
  '👩‍👩‍👧‍👦 family **🏳️‍🌈 bold** `👍🏽`\n\n- 🎉 one\n- 🇪🇺 two\n\n> ✨ é (combining e\u0301)',
  'Text\r\nwith CRLF\r\n\r\n- a\r\n- b\r\n\r\n```\r\ncode\r\n```\r\nlone\rreturn and \u2028 separator',
  'Steps:\n- one\ncontinues lazily\n- two\n\n  still two\n\nAfter.\n\n10) ten\n11) eleven\n\n* * *\n\nText\n---\nmore <b>html</b> <br> &amp; &copy;',
  'Before\n| h |\n|---|\n| a |\nrow without pipes\n\nafter\n```sh\n$ ls -la\n~~~\n```\n~~~\n```\n~~~',
];

export const oddLines: readonly string[] = [
  '', '', '', 'text', 'some words here', '- a', '- b', '* c', '+ d', '1. one', '2. two', '10) ten', '-', '1.',
  '  nested', '   three', '    four', '      six', '\tt', '  - sub', '    - subsub', '   - x', '> q', '> - ql', '>',
  '> > deep', '> ```', '# h', '## h2', '###', '#nohash', '---', '***', '- - -', '===', '--', '```', '```js', '~~~',
  '  ```', '    ```', '`````', '``` a`b', '| a | b |', '|---|---|', '| - |', 'a | b', '--- | ---', ':--', '| 1 | 2 |',
  '|', '[a]: /u', '[a]: /u "t', 't"', '[a]:', 'see [a] and [b][a]', '$$', '$$ x $$', '\\[', '\\]', '+ y', '$$ z',
  '<div>', '</div>', '<b>x', '<!-- c', '-->', '  ', '\t', '   text', '- [ ] task', '- [x] done', '- ```', '  code',
  '- # h', '- > q', '* * *', '_ _ _', 'lazy 2. x', '\u00a0', 'é漢字', '*em* **b**', '2020. year', ' - one space',
  '  * two', '   + three', 'term\\', '![i](u)', '- \t x', '-\tx', '=', '-   -', '* ***', '+', '> 1. a', '>     code',
  '    > q', '👩‍👩‍👧‍👦 **x', 'שלום *עולם*', '\r', 'a\rb', '\u2028', '[x](y', '`open', '| half', '$x_1',
];

/** Texts on which a cut at the obvious place gives other blocks than marked does. */
export const hardTexts: readonly string[] = [
  '-->\n10) ten\n-\n- b\n',
  '#nohash\n-\tx\n---',
  '   text\n-\tx\n- \t x\n',
  '|\n  \n$$ z',
  'see [a]\n2020. year\n-\n  * two\n',
  '$$ z\n$$ z\n- # h\n$$',
  '$$\n$$\n- - -\n$$',
  't"\n$$ z\n---\n$$\n***\n$$',
  '   three\n===\n-\n- a\n',
  '   text\n=\n-\n\n-   -',
  '- ```\n\t\n-   -\n',
  '*em*\nt"\n:--\n=',
  '</div>\n      six\n-\n   + three\n![i](u)',
  '   - x\n    - subsub\n  \n - one space\n',
  '| - |\n    ```\n-\n - one space\n',
  '   three\n2020. year\n--\n1. one\n',
  '*em* **b**\n\u00a0\n[a]: /u\n-\n  - sub\n',
  '1. x\n  ```\ncode\n\nmore\n```',
  '- a\n\n-\n\n- b\n\n-\n\n  c',
  '[a]: /u "foo\n\nbar"',
  'text\n2. x | y\n--|--\n\n   z\n3. w',
  '> # h\ntext\n---\n2. x',
  '> # h\n$$\n- x\n$$',
];
