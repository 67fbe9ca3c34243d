import { act, cleanup, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { emptyStage, online, setStage } from '../../../screens/stage';
import type { ConversationView, TranscriptItem } from '../../conversation/view';
import type { Message } from '../../wire/types';
import { TurnStatus } from './TurnStatus';

vi.mock('./use-chat', () => import('../../../screens/stage'));
vi.mock('../connection/use-connection', () => import('../../../screens/stage'));

function view(runningTurnId: string | null, items: TranscriptItem[] = [], sessionId = 's'): ConversationView {
  const quiet = { phase: 'ready', error: null, hasOlder: false, loadingOlder: false, stale: false } as const;
  return { sessionId, items, runningTurnId, ...quiet };
}

function ended(status: Message['status']): TranscriptItem[] {
  const message: Message = { id: 'm', seq: 1, parentSeq: 0, role: 'assistant', content: '', parts: [], timestamp: 0, status };
  return [{ kind: 'message', key: 'a:t:1', message, retryTurnId: null }];
}

const said = () => screen.getByRole('status').textContent;

describe('the spoken status of a turn', () => {
  beforeEach(() => setStage(emptyStage));
  afterEach(cleanup);

  it('is silent about what was there before, says that an answer begins, and how it ended', () => {
    const { rerender } = render(<TurnStatus view={view(null, ended('complete'))} />);
    expect(said()).toBe('');
    rerender(<TurnStatus view={view('t')} />);
    expect(said()).toBe('Cipher is responding.');
    rerender(<TurnStatus view={view(null, ended('complete'))} />);
    expect(said()).toBe('The answer is complete.');
  });

  it.each([
    ['cancelled', 'The answer was stopped.'],
    ['interrupted', 'The answer was interrupted.'],
    ['failed', 'The answer failed.'],
  ] as const)('says so when an answer was %s', (status, words) => {
    const { rerender } = render(<TurnStatus view={view('t')} />);
    rerender(<TurnStatus view={view(null, ended(status))} />);
    expect(said()).toBe(words);
  });

  it('does not take another session for the end of this answer', () => {
    const { rerender } = render(<TurnStatus view={view('t')} />);
    rerender(<TurnStatus view={view(null, [], 'other')} />);
    expect(said()).toBe('');
  });

  it('says what the page says while the connection is lost, and that the answer goes on with it', async () => {
    const { rerender } = render(<TurnStatus view={view('t')} />);
    act(() => setStage({ connection: { ...online, state: 'reconnecting' } }));
    await vi.waitFor(() => expect(said()).toBe('Paused: no connection.'));
    act(() => setStage({ stopping: 't' }));
    expect(said()).toBe('Stops when the connection is back.');
    act(() => setStage({ stopping: null }));
    rerender(<TurnStatus view={view('t2')} />);
    expect(said()).toBe('Paused: no connection.');
    act(() => setStage({ connection: online }));
    expect(said()).toBe('Cipher is responding.');
  });
});
