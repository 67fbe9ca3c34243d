import { act, cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ToastRegion } from './ToastRegion';
import { useToasts } from './toasts';

const show = (text: string, undo?: () => void) =>
  act(() => useToasts.getState().show(text, undo && { label: 'Undo', act: undo }));
const wait = (ms: number) => act(() => vi.advanceTimersByTime(ms));

describe('the toasts', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    useToasts.setState({ toasts: [] });
    render(<ToastRegion />);
  });

  afterEach(() => {
    cleanup();
    vi.useRealTimers();
  });

  it('keep an Undo for ten seconds, then take it away without doing it', () => {
    const undo = vi.fn();
    show('Deleted', undo);
    wait(9_900);
    expect(screen.getByRole('button', { name: 'Undo' })).toBeTruthy();
    wait(200);
    expect(screen.queryByText('Deleted')).toBeNull();
    expect(undo).not.toHaveBeenCalled();
  });

  it('take away what only tells after five seconds', () => {
    show('Could not copy.');
    wait(5_100);
    expect(screen.queryByText('Could not copy.')).toBeNull();
  });

  it('stop the clock while they are held, and go on where it stood', () => {
    show('Deleted', vi.fn());
    wait(8_000);
    const undo = screen.getByRole('button', { name: 'Undo' });
    fireEvent.focus(undo);
    wait(60_000);
    expect(screen.getByText('Deleted')).toBeTruthy();
    fireEvent.blur(undo);
    wait(1_900);
    expect(screen.getByText('Deleted')).toBeTruthy();
    wait(200);
    expect(screen.queryByText('Deleted')).toBeNull();
  });

  it('undo the newest with Ctrl+Z, once', () => {
    const [first, second] = [vi.fn(), vi.fn()];
    show('Deleted one', first);
    show('Deleted two', second);
    fireEvent.keyDown(document.body, { key: 'z', ctrlKey: true });
    expect(second).toHaveBeenCalledTimes(1);
    expect(first).not.toHaveBeenCalled();
    fireEvent.keyDown(document.body, { key: 'z', metaKey: true });
    expect(first).toHaveBeenCalledTimes(1);
    expect(screen.queryByRole('button')).toBeNull();
  });

  it('leave Ctrl+Z to a text field that has focus', () => {
    const undo = vi.fn();
    show('Deleted', undo);
    const field = document.body.appendChild(document.createElement('textarea'));
    fireEvent.keyDown(field, { key: 'z', ctrlKey: true });
    field.remove();
    expect(undo).not.toHaveBeenCalled();
  });

  it('are at most three, the oldest making room', () => {
    for (const text of ['one', 'two', 'three', 'four']) show(text);
    expect(screen.queryByText('one')).toBeNull();
    expect(screen.getByText('four')).toBeTruthy();
  });
});
