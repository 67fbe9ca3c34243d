import { act, cleanup, configure, createEvent, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { asked, emptyStage, now, setStage, useStage } from '../../../screens/stage';
import type { SessionSummary } from '../../wire/types';
import { ToastRegion } from '../../ui/ToastRegion';
import { useToasts } from '../../ui/toasts';
import { SessionPanel } from './SessionPanel';

vi.mock('../chat/use-draft', () => import('../../../screens/stage'));
vi.mock('./use-sessions', () => import('../../../screens/stage'));
vi.mock('../connection/use-connection', () => import('../../../screens/stage'));

function session(id: string, more: Partial<SessionSummary> = {}): SessionSummary {
  const times = { createdAt: now, lastActivity: now - 5 * 60_000 };
  return { id, title: `Title ${id}`, ...times, messageCount: 3, pinned: false, epoch: 'e', headSeq: 3, leafSeq: 3, ...more };
}

const onSessionChange = vi.fn();
const returnToWelcome = vi.fn();

function Panel({ current = null }: { current?: string | null }) {
  return (
    <>
      <SessionPanel
        isOpen
        onClose={() => undefined}
        currentSessionId={current}
        onSessionChange={onSessionChange}
        returnToWelcome={returnToWelcome}
      />
      <ToastRegion />
    </>
  );
}

const link = (id: string) => screen.getByRole('link', { name: new RegExp(`^Title ${id}`) });
const press = (key: string) => fireEvent.keyDown(document.activeElement ?? document.body, { key });

// What is loaded on demand takes its time on a busy machine.
configure({ asyncUtilTimeout: 10_000 });

describe('the session panel', { timeout: 20_000 }, () => {
  beforeEach(() => {
    vi.clearAllMocks();
    // happy-dom lays nothing out; the virtualiser needs to see a window of some height.
    vi.spyOn(HTMLElement.prototype, 'clientHeight', 'get').mockReturnValue(600);
    vi.spyOn(HTMLElement.prototype, 'clientWidth', 'get').mockReturnValue(280);
    useToasts.setState({ toasts: [] });
    setStage({ ...emptyStage, sessions: ['a', 'b', 'c'].map((id) => session(id)) });
  });
  afterEach(cleanup);

  it('shows each session as a link with its last activity and its number of messages', () => {
    setStage({ sessions: [session('a'), session('b', { messageCount: 1, running: true })] });
    render(<Panel current="a" />);
    expect(link('a').getAttribute('href')).toBe('/s/a');
    expect(link('a').getAttribute('aria-current')).toBe('page');
    expect(link('a').textContent).toContain('5 min ago · 3 messages');
    expect(link('b').textContent).toContain('1 message');
    expect(link('b').textContent).toContain('answering');
  });

  it('marks a session in which something is written, as long as it is', () => {
    setStage({ drafts: { b: 'half a sentence', c: '  ' } });
    render(<Panel />);
    const marked = () => ['a', 'b', 'c'].filter((id) => link(id).textContent?.includes('Draft'));
    expect(marked()).toEqual(['b']);
    act(() => setStage({ drafts: { a: 'x', b: '' } }));
    expect(marked()).toEqual(['a']);
  });

  it('switches on a plain click and leaves a click with Ctrl to the browser', () => {
    render(<Panel />);
    const plain = createEvent.click(link('b'), { button: 0 });
    fireEvent(link('b'), plain);
    expect(plain.defaultPrevented).toBe(true);
    const modified = createEvent.click(link('c'), { button: 0, ctrlKey: true });
    modified.preventDefault = vi.fn();
    fireEvent(link('c'), modified);
    expect(modified.preventDefault).not.toHaveBeenCalled();
    expect(onSessionChange.mock.calls).toEqual([['b']]);
  });

  it('is one stop for Tab, at the session on screen, and moves with the arrows', () => {
    render(<Panel current="b" />);
    const stops = () => screen.getAllByRole('link').filter((row) => row.tabIndex === 0);
    expect(stops()).toEqual([link('b')]);
    act(() => link('b').focus());
    press('ArrowDown');
    expect(document.activeElement).toBe(link('c'));
    press('Home');
    expect(document.activeElement).toBe(link('a'));
    expect(stops()).toEqual([link('a')]);
  });

  it('renames with F2, and gives focus back to the row', () => {
    render(<Panel />);
    act(() => link('a').focus());
    press('F2');
    fireEvent.change(screen.getByRole('textbox'), { target: { value: 'Title anew' } });
    press('Enter');
    expect(asked('rename')).toEqual([['a', 'Title anew']]);
    expect(document.activeElement).toBe(link('anew'));
  });

  it('renames with a double click, and Escape changes nothing', () => {
    render(<Panel />);
    fireEvent.doubleClick(link('a'));
    press('Escape');
    expect(asked('rename')).toEqual([]);
    expect(document.activeElement).toBe(link('a'));
  });

  it('deletes at once, takes focus to the next row, and brings it back with Undo', async () => {
    render(<Panel />);
    act(() => link('b').focus());
    press('Delete');
    expect(asked('remove')).toEqual([['b']]);
    expect(screen.queryByRole('link', { name: /^Title b/ })).toBeNull();
    await waitFor(() => expect(document.activeElement).toBe(link('c')));
    fireEvent.click(screen.getByRole('button', { name: 'Undo' }));
    await waitFor(() => expect(link('b')).toBeTruthy());
    expect(onSessionChange).not.toHaveBeenCalled();
  });

  it('goes to the row that came back when Undo is pressed by keyboard, even to the only one', async () => {
    setStage({ sessions: [session('b')] });
    render(<Panel />);
    act(() => link('b').focus());
    press('Delete');
    const undo = screen.getByRole('button', { name: 'Undo' });
    act(() => undo.focus());
    fireEvent.click(undo);
    await waitFor(() => expect(document.activeElement).toBe(link('b')));
  });

  it('opens a session again that was on screen when it was deleted', async () => {
    const { rerender } = render(<Panel current="b" />);
    act(() => link('b').focus());
    press('Delete');
    rerender(<Panel current={null} />);
    fireEvent.click(screen.getByRole('button', { name: 'Undo' }));
    await waitFor(() => expect(onSessionChange.mock.calls).toEqual([['b']]));
  });

  it('pins and deletes from the menu', async () => {
    render(<Panel />);
    fireEvent.click(screen.getByRole('button', { name: 'Actions for Title a' }));
    fireEvent.click(await screen.findByRole('menuitem', { name: 'Pin' }));
    expect(asked('setPinned')).toEqual([['a', true]]);
    expect(screen.getByRole('heading', { name: 'Pinned' })).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Actions for Title c' }));
    fireEvent.click(await screen.findByRole('menuitem', { name: 'Delete' }));
    expect(asked('remove')).toEqual([['c']]);
  });

  it('says when the server refused a change', async () => {
    setStage({ refuse: { rename: new Error('The database is read-only.') } });
    render(<Panel />);
    fireEvent.doubleClick(link('a'));
    fireEvent.change(screen.getByRole('textbox'), { target: { value: 'New' } });
    press('Enter');
    await screen.findByText('Could not rename it: The database is read-only.');
  });

  it('asks for the next page when its end comes near, and not before', () => {
    const many = Array.from({ length: 200 }, (_, index) => session(`n${index}`));
    setStage({ sessions: many, hasMore: true });
    render(<Panel />);
    expect(asked('loadMore')).toEqual([]);
    act(() => setStage({ sessions: many.slice(0, 20) }));
    expect(asked('loadMore').length).toBeGreaterThan(0);
  });

  it('renders a bounded number of rows whatever the number of sessions', () => {
    setStage({ sessions: Array.from({ length: 10_000 }, (_, index) => session(`n${index}`)) });
    render(<Panel />);
    expect(screen.getAllByRole('link').length).toBeLessThan(40);
  });

  it('offers a retry when the list did not load, and help when it is empty', () => {
    setStage({ listPhase: 'error', sessions: [] });
    render(<Panel />);
    fireEvent.click(screen.getByRole('button', { name: 'Retry' }));
    expect(asked('refetch')).toEqual([[]]);
    act(() => setStage({ listPhase: 'ready' }));
    expect(screen.getByText(/The first message starts one/)).toBeTruthy();
    expect(useStage.getState().sessions).toEqual([]);
  });

  it('starts a new chat by going to the welcome state', () => {
    render(<Panel current="a" />);
    fireEvent.click(screen.getByRole('button', { name: 'New chat' }));
    expect(returnToWelcome).toHaveBeenCalledTimes(1);
  });
});
