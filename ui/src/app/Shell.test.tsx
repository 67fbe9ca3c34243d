import { act, cleanup, configure, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { navigate } from 'wouter/use-browser-location';
import { asked, emptyStage, now, setStage } from '../../screens/stage';
import type { ConversationView } from '../conversation/view';
import type { Message } from '../wire/types';
import { Shell } from './Shell';

vi.mock('../features/chat/use-chat', () => import('../../screens/stage'));
vi.mock('../features/chat/use-draft', () => import('../../screens/stage'));
vi.mock('../features/sessions/use-sessions', () => import('../../screens/stage'));
vi.mock('../features/connection/use-connection', () => import('../../screens/stage'));

const session = {
  id: 'boat', title: 'Names for the boat', createdAt: now, lastActivity: now, messageCount: 1,
  pinned: false, epoch: 'e', headSeq: 1, leafSeq: 1,
};

function view(more: Partial<ConversationView>): ConversationView {
  const quiet = { error: null, hasOlder: false, loadingOlder: false, runningTurnId: null, stale: false };
  return { sessionId: 'boat', phase: 'ready', items: [], ...quiet, ...more };
}

let width = 1440;

function drawAt(px: number) {
  width = px;
  render(<Shell />);
  return screen.findByRole('link', { name: /^Names for the boat/, hidden: true });
}

const main = () => document.querySelector('main') as HTMLElement;
const panel = () => screen.getByLabelText('Session panel');
const openPanel = () => screen.getByRole('button', { name: 'Open the session panel' });

// What is loaded on demand takes its time on a busy machine.
configure({ asyncUtilTimeout: 10_000 });

describe('the shell', { timeout: 20_000 }, () => {
  beforeEach(() => {
    localStorage.clear();
    vi.spyOn(window, 'matchMedia').mockImplementation((query) =>
      Object.assign(new EventTarget() as MediaQueryList, { matches: query.includes('min-width') && width >= 900 }),
    );
    vi.spyOn(HTMLElement.prototype, 'clientHeight', 'get').mockReturnValue(600);
    vi.spyOn(HTMLElement.prototype, 'clientWidth', 'get').mockReturnValue(280);
    navigate('/');
    setStage({ ...emptyStage, sessions: [session] });
  });
  afterEach(cleanup);

  it('remembers that the panel beside the conversation was closed', async () => {
    await drawAt(1440);
    expect(panel().inert).toBe(false);
    fireEvent.click(screen.getByRole('button', { name: 'Close the session panel' }));
    expect(panel().inert).toBe(true);
    cleanup();
    render(<Shell />);
    expect(panel().inert).toBe(true);
    expect(main().inert).toBe(false);
  });

  it('is a drawer on a narrow window: takes focus, makes the rest inert, and Escape gives both back', async () => {
    await drawAt(390);
    expect(panel().inert).toBe(true);
    act(() => openPanel().focus());
    fireEvent.click(openPanel());
    expect(panel().getAttribute('role')).toBe('dialog');
    expect(main().inert).toBe(true);
    expect(panel().contains(document.activeElement)).toBe(true);
    fireEvent.keyDown(document.activeElement ?? document.body, { key: 'Escape' });
    expect(main().inert).toBe(false);
    await waitFor(() => expect(document.activeElement).toBe(openPanel()));
  });

  it('switches by the URL, closes the drawer and names the tab after the session', async () => {
    const link = await drawAt(390);
    fireEvent.click(openPanel());
    fireEvent.click(link, { button: 0 });
    expect(window.location.pathname).toBe('/s/boat');
    expect(panel().inert).toBe(true);
    expect(screen.getByRole('heading', { level: 1 }).textContent).toBe('Names for the boat');
    expect(document.title).toBe('Names for the boat · Cipher');
  });

  it('keeps the composer, with its focus, when the first message makes a session', async () => {
    await drawAt(1440);
    const composer = screen.getByRole('textbox', { name: 'Message' });
    act(() => composer.focus());
    act(() => {
      setStage({ view: view({}) });
      navigate('/s/boat');
    });
    expect(screen.getByRole('textbox', { name: 'Message' })).toBe(composer);
    expect(document.activeElement).toBe(composer);
  });

  it('renders no message again while one types', async () => {
    const message: Message = {
      id: 'm', seq: 1, parentSeq: 0, role: 'assistant', content: 'Fair Winds', parts: [], timestamp: now, status: 'complete',
    };
    setStage({ view: view({ items: [{ kind: 'message', key: 'a', message, retryTurnId: null }] }) });
    navigate('/s/boat');
    await drawAt(1440);
    await screen.findByText('Fair Winds');
    // Every row writes its time; a row that renders again would write it again.
    const rendered = vi.spyOn(Date.prototype, 'toISOString');
    const composer = screen.getByRole<HTMLTextAreaElement>('textbox', { name: 'Message' });
    for (const text of ['a', 'an', 'and']) fireEvent.change(composer, { target: { value: text } });
    expect(composer.value).toBe('and');
    expect(rendered).not.toHaveBeenCalled();
  });

  it('goes on in the composer when an answer is retried by keyboard', async () => {
    const message: Message = {
      id: 'm', seq: 1, parentSeq: 0, role: 'assistant', content: 'Fair', parts: [], timestamp: now, status: 'interrupted',
    };
    setStage({ view: view({ items: [{ kind: 'message', key: 'a', message, retryTurnId: 't' }] }) });
    navigate('/s/boat');
    await drawAt(1440);
    const retry = await screen.findByRole('button', { name: 'Retry' });
    act(() => retry.focus());
    fireEvent.click(retry);
    expect(asked('retry')).toEqual([['t']]);
    expect(document.activeElement).toBe(screen.getByRole('textbox', { name: 'Message' }));
  });

  it('says that a page is not there, and leads to the start', async () => {
    navigate('/nonsense/path');
    await drawAt(1440);
    expect(screen.getByRole('heading', { name: 'This page does not exist' })).toBeTruthy();
    expect(screen.queryByRole('textbox', { name: 'Message' })).toBeNull();
    fireEvent.click(screen.getByRole('button', { name: 'Go to the start page' }));
    expect(window.location.pathname).toBe('/');
  });

  it('says that a session is not there, and leads on', async () => {
    const error = { code: 'not_found', message: 'There is no such session.' };
    setStage({ view: view({ phase: 'missing', error }) });
    navigate('/s/gone');
    await drawAt(1440);
    expect(screen.getByRole('heading', { name: 'There is no such conversation' })).toBeTruthy();
    expect(screen.queryByRole('textbox', { name: 'Message' })).toBeNull();
    fireEvent.click(screen.getByRole('button', { name: 'Start a new chat' }));
    expect(window.location.pathname).toBe('/');
  });

  it('offers a retry when a conversation did not load', async () => {
    setStage({ view: view({ phase: 'error', error: { code: 'internal', message: 'The server did not answer.' } }) });
    navigate('/s/boat');
    await drawAt(1440);
    fireEvent.click(screen.getByRole('button', { name: 'Retry' }));
    expect(asked('reload')).toEqual([[]]);
  });

  it('says plainly that no real model answers, with the way to one', async () => {
    const notice = 'A demonstration answers. Set LLM_MODEL for a real model.';
    setStage({ connection: { ...emptyStage.connection, model: { id: 'demo', demo: true, notice } } });
    await drawAt(1440);
    expect(screen.getByText(notice)).toBeTruthy();
  });

  it('fills the composer with a starter and sends nothing', async () => {
    await drawAt(1440);
    fireEvent.click(screen.getByRole('button', { name: /^Compare options/ }));
    expect(screen.getByRole<HTMLTextAreaElement>('textbox', { name: 'Message' }).value).toContain('SQLite');
    expect(asked('send')).toEqual([]);
  });
});
