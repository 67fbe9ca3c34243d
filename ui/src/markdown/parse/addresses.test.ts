import { describe, expect, it } from 'vitest';
import { decodeReferences, safeAddress } from './addresses';

describe('safeAddress', () => {
  it.each([
    ['https://example.com/a?b=c#d', 'https://example.com/a?b=c#d'],
    ['HTTP://EXAMPLE.com', 'http://example.com/'],
    ['mailto:someone@example.com?subject=Hi', 'mailto:someone@example.com?subject=Hi'],
    ['https://bücher.example/ü', 'https://xn--bcher-kva.example/%C3%BC'],
    ['  https://example.com ', 'https://example.com/'],
  ])('lets %j lead to %j', (address, href) => {
    expect(safeAddress(address)).toBe(href);
  });

  it.each([
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    ' javascript:alert(1)',
    'java\nscript:alert(1)',
    'java\tscript:alert(1)',
    '\u0001javascript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'vbscript:msgbox(1)',
    'file:///etc/passwd',
    'blob:https://example.com/1',
    'ftp://example.com/x',
    'view-source:https://example.com',
    'about:blank',
    'tel:+123',
    '/api/sessions',
    './README.md',
    '../x',
    '#part',
    '?q=1',
    '//example.com/x',
    'example.com',
    '',
    'https://',
    'https://user:secret@example.com',
    'https://example.com@evil.example',
    `https://example.com/${'a'.repeat(9_000)}`,
  ])('refuses %j', (address) => {
    expect(safeAddress(address)).toBeNull();
  });
});

describe('decodeReferences', () => {
  it('reads the references that people write, once', () => {
    expect(decodeReferences('a &amp; b &lt;c&gt; &copy; &#65;&#x42; &eacute;')).toBe('a & b <c> © AB é');
    expect(decodeReferences('&amp;lt;')).toBe('&lt;');
  });

  it('leaves what it does not know, and replaces what is no character', () => {
    expect(decodeReferences('&nothing; &constructor; & &;')).toBe('&nothing; &constructor; & &;');
    expect(decodeReferences('&#0;&#xD800;&#x110000;')).toBe('\ufffd\ufffd\ufffd');
  });
});
