import { act, cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { asked, emptyStage, online, setStage } from '../../../screens/stage';
import type { Stage } from '../../../screens/stage';
import { ConnectionBanner } from './ConnectionBanner';

vi.mock('./use-connection', () => import('../../../screens/stage'));

const connect = (change: Partial<Stage['connection']>) =>
  act(() => setStage({ connection: { ...online, ...change } }));
const wait = (ms: number) => act(() => vi.advanceTimersByTime(ms));
const shown = () => screen.getByRole('status').textContent;

describe('the connection banner', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    setStage(emptyStage);
    render(<ConnectionBanner />);
  });
  afterEach(() => {
    cleanup();
    vi.useRealTimers();
  });

  it('says nothing of a loss that lasts less than two seconds', () => {
    connect({ state: 'reconnecting', since: Date.now() });
    wait(1_900);
    expect(shown()).toBe('');
    connect({});
    wait(5_000);
    expect(shown()).toBe('');
  });

  it('then says what happened, counts down to the next try, and tries now when asked', () => {
    connect({ state: 'reconnecting', since: Date.now(), nextRetryAt: Date.now() + 7_000 });
    wait(2_100);
    expect(shown()).toContain('No connection to the server. What you send waits here.');
    expect(shown()).toContain('5 s');
    wait(2_000);
    expect(shown()).toContain('3 s');
    fireEvent.click(screen.getByRole('button', { name: 'Retry now' }));
    expect(asked('retryNow')).toEqual([[]]);
  });

  it('does not begin the two seconds anew when the kind of loss changes', () => {
    connect({ state: 'reconnecting', since: Date.now() });
    wait(1_500);
    connect({ state: 'offline', since: Date.now() });
    wait(600);
    expect(shown()).toContain('This device is offline.');
  });

  it('counts what passed before it was there to see it', () => {
    cleanup();
    setStage({ connection: { ...online, state: 'reconnecting', since: Date.now() - 1_500 } });
    render(<ConnectionBanner />);
    wait(600);
    expect(shown()).toContain('No connection');
  });

  it('begins the two seconds anew with the next loss', () => {
    connect({ state: 'reconnecting', since: Date.now() });
    wait(3_000);
    connect({});
    connect({ state: 'reconnecting', since: Date.now() });
    wait(1_900);
    expect(shown()).toBe('');
  });

  it('goes when the connection is back', () => {
    connect({ state: 'offline', since: Date.now() });
    wait(3_000);
    expect(shown()).toContain('This device is offline.');
    connect({});
    expect(shown()).toBe('');
  });

  it.each([
    [{ storage: 'volatile' }, 'Nothing is saved'],
    [{ storage: 'read_only' }, 'The database is read-only'],
    [{ storage: 'unavailable' }, 'The database cannot be reached'],
    [{ draining: true }, 'The server is about to restart'],
  ] as const)('says at once what %j means', (change, words) => {
    connect(change);
    expect(shown()).toContain(words);
  });
});
