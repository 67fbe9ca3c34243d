import { cleanup, render, screen, within } from '@testing-library/react';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Markdown } from './Markdown';
import { samples } from './parse/samples';
import { loadEverything } from './testing';

function draw(text: string, streaming = false): HTMLElement {
  return render(<Markdown text={text} streaming={streaming} />).container.firstElementChild as HTMLElement;
}

describe('Markdown', () => {
  beforeAll(loadEverything, 30_000);
  afterEach(cleanup);

  it('draws words', () => {
    const page = draw('**bold** *em* ~~gone~~ `co<de` a  \nb <br> &copy; \\* <b>raw</b>');
    expect(page.innerHTML).toBe(
      '<p dir="auto"><strong>bold</strong> <em>em</em> <del>gone</del> <code>co&lt;de</code> a<br>' +
        'b <br> © * &lt;b&gt;raw&lt;/b&gt;</p>',
    );
  });

  it('opens links outside, and keeps what may not be a link as text', () => {
    const page = draw('[a](https://example.com/ "t") https://b.example <c@d.example> [e](./f.md) [g](javascript:x)');
    const links = within(page).getAllByRole('link');
    expect(links.map((link) => link.getAttribute('href'))).toEqual([
      'https://example.com/',
      'https://b.example/',
      'mailto:c@d.example',
    ]);
    for (const link of links) {
      expect(link.getAttribute('target')).toBe('_blank');
      expect(link.getAttribute('rel')).toBe('noopener noreferrer nofollow');
    }
    expect(page.textContent).toContain('e (./f.md) g (javascript:x)');
  });

  it('shows an image as a link to it, and loads nothing', () => {
    const page = draw('![a tree](https://example.com/tree.png)');
    expect(page.querySelector('img')).toBeNull();
    expect(screen.getByRole('link', { name: 'a tree' }).getAttribute('href')).toBe('https://example.com/tree.png');
  });

  it('resolves references, also those that are defined later', () => {
    const text = 'See [the guide][g] and [g].\n\nMore.\n\n';
    const { container, rerender } = render(<Markdown text={text} streaming />);
    expect(container.querySelector('a')).toBeNull();
    const untouched = container.querySelectorAll('p')[1];
    rerender(<Markdown text={`${text}[g]: https://example.com/g\n\nEnd`} streaming />);
    expect(container.querySelectorAll('a')).toHaveLength(2);
    expect(container.querySelectorAll('p')[1]).toBe(untouched);
  });

  it('draws tables with column headings and alignment, in a part that can be scrolled by keyboard', () => {
    const page = draw('| a | b |\n|:-:|--:|\n| 1 | `x` |');
    const table = within(page).getByRole('table');
    expect(within(table).getAllByRole('columnheader').map((cell) => cell.getAttribute('scope'))).toEqual(['col', 'col']);
    expect(within(table).getAllByRole('cell').map((cell) => cell.className)).toEqual(['md-center', 'md-right']);
    expect(screen.getByRole('group', { name: 'Table' }).tabIndex).toBe(0);
  });

  it('draws lists, nested, numbered from where they start, and tasks that say if they are done', () => {
    const page = draw('7. a\n   - b\n8. c\n\n- [x] d\n- [ ] e');
    const [ordered, nested, tasks] = within(page).getAllByRole('list');
    expect(ordered!.getAttribute('start')).toBe('7');
    expect(ordered!.contains(nested!)).toBe(true);
    expect(within(tasks!).getAllByRole('img').map((box) => box.getAttribute('aria-label'))).toEqual(['Done', 'To do']);
  });

  it('leaves the first level of headings to the page', () => {
    draw('# a\n\n## b\n\n#### c');
    const levels = screen.getAllByRole('heading').map((heading) => heading.localName);
    expect(levels).toEqual(['h2', 'h3', 'h4']);
  });

  it('shows a text too large to be read as text', () => {
    const text = '**'.repeat(20_000);
    expect(draw(text).querySelector('.md-plain')?.textContent).toBe(text);
  });

  it.each(samples.map((text) => [text.slice(0, 30), text]))('%j ends up the same however it came', (_, text) => {
    const fresh = draw(text).outerHTML;
    cleanup();
    const { container, rerender } = render(<Markdown text="" streaming />);
    for (let length = 1; length < text.length; length += 7) {
      rerender(<Markdown text={text.slice(0, length)} streaming />);
    }
    rerender(<Markdown text={text} streaming={false} />);
    expect(container.innerHTML).toBe(fresh);
  });

  it('makes no finished block, item or row anew while the text grows', () => {
    const start = 'One **two**.\n\n- a\n- b\n\n| h |\n|---|\n| 1 |\n\n```\ncode\n```\n\n';
    const { container, rerender } = render(<Markdown text={start} streaming />);
    const before = [...container.querySelectorAll('.md *')];
    const changes = new MutationObserver(() => undefined);
    changes.observe(container, { subtree: true, childList: true, characterData: true, attributes: true });
    const more = 'The next paragraph grows, and `it` alone.\n\n- [link](https://example.com)\n- last';
    for (let length = 1; length <= more.length; length += 1) {
      rerender(<Markdown text={start + more.slice(0, length)} streaming />);
    }
    const touched = changes.takeRecords().map((record) => record.target);
    expect(before.filter((element) => !element.isConnected)).toEqual([]);
    expect(before.filter((element) => touched.includes(element))).toEqual([]);
    expect(container.querySelectorAll('li')).toHaveLength(4);
  });

  it('draws half-written marks as what they will be', () => {
    const { container, rerender } = render(<Markdown text="See **bo" streaming />);
    expect(container.querySelector('strong')?.textContent).toBe('bo');
    rerender(<Markdown text="See **bold** and [the li" streaming />);
    expect(container.textContent).toBe('See bold and the li');
    rerender(<Markdown text="See **bold** and [the li" streaming={false} />);
    expect(container.textContent).toBe('See bold and [the li');
  });
});
