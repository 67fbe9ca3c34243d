/**
 * For the tests: loads what the page loads when it first needs it, so that drawing is complete at
 * once and nothing is still being loaded when a test ends.
 */
import { cleanup, render, waitFor } from '@testing-library/react';
import { Markdown } from './Markdown';

const all = ['$x$', '```py', 'x = 1', '```', '```ts', 'x', '```', '```html', 'x', '```'].join('\n');

export async function loadEverything(): Promise<void> {
  // KaTeX warns of a page without a doctype, which the test's page is.
  Object.defineProperty(document, 'compatMode', { value: 'CSS1Compat', configurable: true });
  const { container } = render(<Markdown text={all} streaming={false} />);
  await waitFor(() => {
    if (!container.querySelector('.katex') || !container.querySelector('.hl-number')) throw new Error('not yet');
  }, { timeout: 20_000 });
  cleanup();
}
