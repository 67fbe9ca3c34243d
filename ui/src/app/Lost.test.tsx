import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { asked, emptyStage, now, setStage } from '../../screens/stage';
import type { ConversationView, PendingSend, TranscriptItem } from '../conversation/view';
import { useToasts } from '../ui/toasts';
import type { Message } from '../wire/types';
import { LostConversation } from './Lost';

vi.mock('../features/chat/use-draft', () => import('../../screens/stage'));
vi.mock('../features/sessions/use-sessions', () => import('../../screens/stage'));

const notFound = { code: 'not_found', message: 'There is no such session.' };
const onNewChat = vi.fn();
const onRestored = vi.fn();

function draw(more: Partial<ConversationView>) {
  const view: ConversationView = {
    sessionId: 'boat', phase: 'missing', error: null, items: [], hasOlder: false, loadingOlder: false,
    runningTurnId: null, stale: false, ...more,
  };
  render(<LostConversation view={view} onNewChat={onNewChat} onRestored={onRestored} />);
}

const heading = () => screen.getByRole('heading', { level: 2 }).textContent;
const restore = () => fireEvent.click(screen.getByRole('button', { name: 'Restore' }));

describe('a conversation that is not there', () => {
  beforeEach(() => {
    vi.clearAllMocks();
    useToasts.setState({ toasts: [] });
    setStage(emptyStage);
  });
  afterEach(cleanup);

  it('was deleted elsewhere when it was open here, and can be restored', async () => {
    draw({});
    expect(heading()).toBe('This conversation was deleted');
    expect(screen.getByText(/in another tab or by another program/)).toBeTruthy();
    restore();
    expect(asked('restore')).toEqual([['boat']]);
    await waitFor(() => expect(onRestored).toHaveBeenCalledOnce());
  });

  it('shows what was not sent in it, and keeps that as its draft', () => {
    const drafts = { boat: 'Fair Winds,\nor Petrel' };
    setStage({ drafts });
    draw({});
    expect(screen.getByRole('group', { name: 'Not sent yet' }).textContent).toBe(drafts.boat);
    expect(screen.getByRole('button', { name: 'Copy what was not sent' })).toBeTruthy();
    restore();
    expect(screen.getByRole('group', { name: 'Not sent yet' }).textContent).toBe(drafts.boat);
  });

  it('shows the messages that did not get to the server before the draft, but none that may have', () => {
    const send = (content: string, state: PendingSend['state']): TranscriptItem => ({
      kind: 'pending', key: content, pending: { clientMsgId: content, sessionId: 'boat', content, createdAt: now, state },
    });
    setStage({ drafts: { boat: 'Petrel' } });
    draw({ items: [send('Kestrel', 'refused'), send('Tern', 'sending'), send('Gannet', 'waiting')] });
    const texts = screen.getByRole('group', { name: 'Not sent yet' }).children;
    expect([...texts].map(({ textContent }) => textContent)).toEqual(['Kestrel', 'Gannet', 'Petrel']);
  });

  it('did exist if something is written in it, though nobody saw it go', () => {
    setStage({ drafts: { boat: 'Petrel' } });
    draw({ error: notFound });
    expect(heading()).toBe('This conversation was deleted');
    expect(screen.queryByText(/in another tab/)).toBeNull();
    expect(screen.getByText('Petrel')).toBeTruthy();
  });

  it('did exist if it was on screen until the line came back', () => {
    const message: Message = {
      id: 'm', seq: 1, parentSeq: 0, role: 'user', content: 'A name?', parts: [], timestamp: now,
    };
    draw({ error: notFound, items: [{ kind: 'message', key: 'm', message, retryTurnId: null }] });
    expect(heading()).toBe('This conversation was deleted');
    expect(screen.queryByRole('group')).toBeNull();
  });

  it('says why it can not be restored, and may be asked again', async () => {
    setStage({ refuse: { restore: new Error(notFound.message) } });
    draw({});
    restore();
    await waitFor(() => expect(useToasts.getState().toasts.map(({ text }) => text)).toEqual([
      'Could not restore it: There is no such session.',
    ]));
    expect(onRestored).not.toHaveBeenCalled();
    expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Restore' }).disabled).toBe(false);
  });

  it('never was, as far as is known here', () => {
    draw({ error: notFound });
    expect(heading()).toBe('There is no such conversation');
    expect(screen.queryByRole('button', { name: 'Restore' })).toBeNull();
    fireEvent.click(screen.getByRole('button', { name: 'Start a new chat' }));
    expect(onNewChat).toHaveBeenCalledOnce();
  });
});
