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

  it('give the keyboard back to where it was, or to the composer where that is gone or was acted on', () => {
    const [row, composer] = ['a', 'textarea'].map((tag) => document.body.appendChild(document.createElement(tag)));
    if (!row || !composer) throw new Error('nothing to focus');
    row.tabIndex = 0;
    composer.id = 'composer';
    const press = (name: string, from: HTMLElement) => {
      act(() => from.focus());
      const button = screen.getByRole('button', { name });
      act(() => button.focus());
      fireEvent.click(button);
    };
    show('Deleted');
    press('Dismiss', row);
    expect(document.activeElement).toBe(row);
    const undo = vi.fn();
    show('Deleted', undo);
    press('Undo', row);
    expect(undo.mock.calls).toEqual([[true]]);
    expect(document.activeElement).toBe(composer);
    show('Deleted');
    act(() => row.focus());
    act(() => screen.getByRole('button', { name: 'Dismiss' }).focus());
    row.remove();
    fireEvent.click(screen.getByRole('button', { name: 'Dismiss' }));
    expect(document.activeElement).toBe(composer);
    composer.remove();
  });

  it('are at most three, the oldest making room', () => {
    for (const text of ['one', 'two', 'three', 'four']) show(text);
    expect(screen.queryByText('one')).toBeNull();
    expect(screen.getByText('four')).toBeTruthy();
  });
});
