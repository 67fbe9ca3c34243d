import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LiveTurn, PendingSend, TranscriptItem } from '../../conversation/view';
import type { Message } from '../../wire/types';
import { TranscriptRow } from './TranscriptRow';

const actions = { onRetry: vi.fn(), onResend: vi.fn(), onDiscard: vi.fn(), onAskAgain: vi.fn() };

function Row({ item, ...state }: { item: TranscriptItem; paused?: boolean; stopping?: boolean }) {
  return <TranscriptRow item={item} last paused={false} stopping={false} dayAfter={null} {...actions} {...state} />;
}

function answer(
  more: Partial<Message>,
  retryTurnId: string | null = null,
  askAgainSeq: number | null = null,
): TranscriptItem {
  const message: Message = {
    id: 'm2', seq: 2, parentSeq: 1, role: 'assistant', content: 'Half of an', parts: [], timestamp: 0, ...more,
  };
  return { kind: 'message', key: 'a:t:1', message, retryTurnId, askAgainSeq };
}

function live(more: Partial<LiveTurn>): TranscriptItem {
  const turn = { turnId: 't', attempt: 1, inReplyTo: 1, text: '', reasoning: '', phase: 'streaming' as const, ...more };
  return { kind: 'live', key: 'a:t:1', turn };
}

function pending(more: Partial<PendingSend>): TranscriptItem {
  const send = { clientMsgId: 'c', sessionId: 's', content: 'Hello', createdAt: 0, state: 'sending' as const, ...more };
  return { kind: 'pending', key: 'u:c', pending: send };
}

describe('a row of the transcript', () => {
  beforeEach(() => vi.clearAllMocks());
  afterEach(cleanup);

  it('says that an interrupted answer is kept, and retries its turn', () => {
    render(<Row item={answer({ status: 'interrupted' }, 't')} />);
    expect(screen.getByText('Half of an')).toBeTruthy();
    expect(screen.getByText('The answer was interrupted. What was saved until then is kept.')).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Retry' }));
    expect(actions.onRetry.mock.calls).toEqual([['t']]);
  });

  it('says why an answer failed and what to do', () => {
    const error = { code: 'model_unavailable', message: 'The model did not answer' };
    render(<Row item={answer({ status: 'failed', content: '', error }, 't')} />);
    expect(screen.getByText(/^The model did not answer\. Check that the model is running/)).toBeTruthy();
  });

  it('calls a cancelled answer stopped, and offers no retry where it is not at the end', () => {
    render(<Row item={answer({ status: 'cancelled' })} />);
    expect(screen.getByText('Stopped. What arrived is kept.')).toBeTruthy();
    expect(screen.queryByRole('button', { name: 'Retry' })).toBeNull();
  });

  it('offers to ask again where an answer can not be retried, and where there is none', () => {
    const { rerender } = render(<Row item={answer({ status: 'interrupted' }, null, 1)} />);
    fireEvent.click(screen.getByRole('button', { name: 'Ask again' }));
    rerender(<Row item={answer({ role: 'user', content: 'And why?' }, null, 2)} />);
    expect(screen.getByText('This question has no answer yet.')).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Ask again' }));
    expect(actions.onAskAgain.mock.calls).toEqual([[1], [2]]);
    rerender(<Row item={answer({ role: 'user', content: 'And why?' })} />);
    expect(screen.queryByText('This question has no answer yet.')).toBeNull();
  });

  it('stands still without a connection, says so, and goes on with it', () => {
    const { container, rerender } = render(<Row item={live({ text: 'Half of an' })} paused />);
    expect(screen.getByText('Paused: no connection')).toBeTruthy();
    expect(container.querySelector('.prose-live, .animate-breathe')).toBeNull();
    rerender(<Row item={live({ text: 'Half of an' })} paused stopping />);
    expect(screen.getByText('Stops when the connection is back')).toBeTruthy();
    rerender(<Row item={live({ phase: 'waiting', reasoning: 'Hm.' })} paused />);
    expect(container.querySelector('.animate-breathe')).toBeNull();
    rerender(<Row item={live({ text: 'Half of an answer' })} />);
    expect(screen.queryByText(/Paused/)).toBeNull();
    expect(container.querySelector('.prose-live')).not.toBeNull();
  });

  it('waits, streams and ends without taking the text down', () => {
    const { container, rerender } = render(<Row item={live({ phase: 'waiting' })} />);
    expect(screen.getByText('Thinking')).toBeTruthy();
    rerender(<Row item={live({ text: 'Half of an' })} />);
    const article = container.querySelector('article');
    const text = screen.getByText('Half of an');
    rerender(<Row item={answer({ status: 'complete' })} />);
    expect(container.querySelector('article')).toBe(article);
    expect(screen.getByText('Half of an')).toBe(text);
    expect(screen.getByRole('button', { name: 'Copy answer' })).toBeTruthy();
  });

  it('keeps the bubble when a send becomes a stored message', () => {
    const { rerender } = render(<Row item={pending({})} />);
    const bubble = screen.getByText('Hello');
    rerender(<Row item={answer({ role: 'user', content: 'Hello' })} />);
    expect(screen.getByText('Hello')).toBe(bubble);
  });

  it('says that a message waits, without a warning', () => {
    render(<Row item={pending({ state: 'waiting' })} />);
    expect(screen.getByText('Waits here until the server can be reached')).toBeTruthy();
  });

  it('lets a refused message be sent again or discarded', () => {
    render(<Row item={pending({ state: 'refused', error: { code: 'rate_limited', message: 'Too many.' } })} />);
    expect(screen.getByText('Not sent. Too many.')).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Resend' }));
    fireEvent.click(screen.getByRole('button', { name: 'Discard' }));
    expect(actions.onResend.mock.calls).toEqual([['c']]);
    expect(actions.onDiscard.mock.calls).toEqual([['c']]);
  });

  it('shows a queued turn as waiting for the answer above', () => {
    render(<Row item={live({ phase: 'queued' })} />);
    expect(screen.getByText(/^Queued/)).toBeTruthy();
  });

  it('draws what a person typed as plain text, and cuts a very long one with a way to see it all', () => {
    const long = `<b>${'words '.repeat(1_000)}</b>`;
    render(<Row item={answer({ role: 'user', content: long })} />);
    expect(screen.queryByText((_, element) => element?.textContent === long)).toBeNull();
    fireEvent.click(screen.getByRole('button', { name: 'Show all 6,007 characters' }));
    expect(document.body.textContent).toContain(long);
    expect(document.querySelector('b')).toBeNull();
  });

  it('blanks only itself when it cannot be drawn, and is drawn again when its text changes', () => {
    const errors = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const broken = answer({ content: 'x', timestamp: Number.NaN });
    const { rerender } = render(
      <>
        <Row item={broken} />
        <p>the next row</p>
      </>,
    );
    expect(screen.getByText(/could not be drawn/)).toBeTruthy();
    expect(screen.getByText('the next row')).toBeTruthy();
    expect(errors).toHaveBeenCalled();
    rerender(
      <>
        <Row item={answer({ content: 'y', status: 'complete' })} />
        <p>the next row</p>
      </>,
    );
    expect(screen.getByText('y')).toBeTruthy();
  });
});
