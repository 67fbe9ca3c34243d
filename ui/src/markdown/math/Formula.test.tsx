import { cleanup, render, waitFor } from '@testing-library/react';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Markdown } from '../Markdown';
import { loadEverything } from '../testing';

const draw = (text: string, streaming = false) => render(<Markdown text={text} streaming={streaming} />).container;

async function drawn(text: string): Promise<HTMLElement> {
  const container = draw(text);
  await waitFor(() => expect(container.querySelector('.katex')).not.toBeNull());
  return container;
}

describe('a formula', () => {
  beforeAll(loadEverything, 30_000);
  afterEach(cleanup);

  it('is drawn within its line, with a form for screen readers', async () => {
    const container = await drawn('So $x^2$ it is.');
    expect(container.querySelector('p .md-formula .katex math')).not.toBeNull();
    expect(container.querySelector('annotation')?.textContent).toBe('x^2');
  });

  it('is drawn apart, in a part that can be scrolled by keyboard', async () => {
    const container = await drawn('$$\n\\frac{a}{b}\n$$');
    expect(container.querySelector('.md-formula-block .katex-display')).not.toBeNull();
    expect(container.querySelector<HTMLElement>('.md-formula-block')!.tabIndex).toBe(0);
  });

  it('gets no style attribute from KaTeX, which would break the policy of the page', async () => {
    const container = await drawn('$\\pmb{x} \\fcolorbox{red}{yellow}{A}$');
    const styled = [...container.querySelectorAll('math *')].filter((element) => element.hasAttribute('style'));
    expect(styled).toEqual([]);
  });

  it.each(['\\frac{', '\\def\\a{\\a\\a}\\a', `${'{'.repeat(1_500)}x`, 'x'.repeat(5_000)])(
    'is its source where KaTeX cannot read it (%#)',
    async (tex) => {
      const container = await drawn(`$y$ and $$${tex}$$`);
      await waitFor(() => expect(container.querySelector('code.md-formula-source')?.textContent).toBe(tex));
    },
  );

  it('is its source while it is being written', () => {
    expect(draw('$$\nx +', true).querySelector('code.md-display')?.textContent).toBe('x +');
  });
});
