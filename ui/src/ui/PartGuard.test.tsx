import { cleanup, render, screen } from '@testing-library/react';
import { Suspense } from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { lazyPart } from './lazy-part';
import { PartGuard } from './PartGuard';

function Broken(): never {
  throw new Error('a fault of ours');
}

const Missing = lazyPart<object>(() =>
  Promise.reject(new TypeError('Failed to fetch dynamically imported module')),
);

describe('a part of the page', () => {
  beforeEach(() => vi.spyOn(console, 'error').mockImplementation(() => undefined));
  afterEach(cleanup);

  it('that did not load says so beside the rest, and offers to reload without doing it', async () => {
    const reload = vi.spyOn(window.location, 'reload').mockImplementation(() => undefined);
    render(
      <>
        <PartGuard part="The map">
          <Suspense>
            <Missing />
          </Suspense>
        </PartGuard>
        <input aria-label="Beside" defaultValue="half a sentence" />
      </>,
    );
    expect((await screen.findByRole('alert')).textContent).toContain('The map did not load.');
    expect(screen.getByLabelText<HTMLInputElement>('Beside').value).toBe('half a sentence');
    expect(reload).not.toHaveBeenCalled();
    screen.getByRole('button', { name: 'Reload' }).click();
    expect(reload).toHaveBeenCalledOnce();
  });

  it('that breaks says that it is broken, and is tried again with another key', () => {
    const guarded = (key: string, whole: boolean) => (
      <PartGuard part="The map" resetKey={key}>
        {whole ? <p>All of it</p> : <Broken />}
      </PartGuard>
    );
    const { rerender } = render(guarded('a', false));
    expect(screen.getByRole('alert').textContent).toContain('The map ran into a problem');
    rerender(guarded('a', true));
    expect(screen.queryByText('All of it')).toBeNull();
    rerender(guarded('b', true));
    expect(screen.getByText('All of it')).toBeTruthy();
  });

  it('that loads is shown', async () => {
    const Loaded = lazyPart(() => Promise.resolve(() => <p>All of it</p>));
    render(
      <PartGuard part="The map">
        <Suspense>
          <Loaded />
        </Suspense>
      </PartGuard>,
    );
    expect(await screen.findByText('All of it')).toBeTruthy();
  });
});
