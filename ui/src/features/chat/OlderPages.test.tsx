import { act, cleanup, configure, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { OlderPages } from './OlderPages';

const head = { heightPx: 72, hasOlder: true, near: true, firstDay: 'Today' };

// A busy machine takes its time.
configure({ asyncUtilTimeout: 10_000 });

describe('the head of a transcript', () => {
  afterEach(cleanup);

  it('asks for older messages when the reader comes near, one page at a time', async () => {
    let arrive: () => void = () => undefined;
    const onLoad = vi.fn(() => new Promise<void>((resolve) => (arrive = resolve)));
    const { rerender } = render(<OlderPages {...head} near={false} onLoad={onLoad} />);
    expect(onLoad).not.toHaveBeenCalled();
    rerender(<OlderPages {...head} onLoad={onLoad} />);
    rerender(<OlderPages {...head} near={false} onLoad={onLoad} />);
    rerender(<OlderPages {...head} onLoad={onLoad} />);
    expect(onLoad).toHaveBeenCalledTimes(1);
    await act(async () => arrive());
    expect(onLoad).toHaveBeenCalledTimes(2);
  });

  it('does not ask again by itself after a failure', async () => {
    const onLoad = vi.fn(() => Promise.reject(new Error('no')));
    const { rerender } = render(<OlderPages {...head} onLoad={onLoad} />);
    await screen.findByText('Older messages did not load.');
    rerender(<OlderPages {...head} near={false} onLoad={onLoad} />);
    rerender(<OlderPages {...head} onLoad={onLoad} />);
    expect(onLoad).toHaveBeenCalledTimes(1);
    await act(async () => fireEvent.click(screen.getByRole('button', { name: 'Retry' })));
    expect(onLoad).toHaveBeenCalledTimes(2);
  });

  it('names the day on which the conversation begins once there is nothing older', () => {
    render(<OlderPages {...head} hasOlder={false} onLoad={() => Promise.resolve()} />);
    expect(screen.getByText('Today')).toBeTruthy();
  });
});
