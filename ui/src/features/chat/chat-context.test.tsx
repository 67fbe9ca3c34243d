import 'fake-indexeddb/auto';

import { act, cleanup, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { FakeRest, historyOf } from '../../conversation/engine/testing';
import { useConnection } from '../connection/use-connection';
import { useSessions } from '../sessions/use-sessions';
import { ChatProvider } from './chat-context';
import { useChat, useChatActions, useRunningTurnId } from './use-chat';
import { useDraft } from './use-draft';
import { eventually } from '../../realtime/testing';

/** A socket that never opens: what is tested here needs no line. */
class SilentSocket {
  static readonly dialled: string[] = [];
  constructor(url: string) {
    SilentSocket.dialled.push(url);
  }
  send(): void {}
  close(): void {}
}

const announced: (string | null)[] = [];
const note = (event: Event) => {
  if (event instanceof CustomEvent) announced.push((event.detail as { sessionId: string | null } | null)?.sessionId ?? null);
};

let rest: FakeRest;

beforeEach(() => {
  vi.stubGlobal('WebSocket', SilentSocket);
  rest = new FakeRest();
  window.history.replaceState(null, '', '/');
  window.addEventListener('cipher:sessionChanged', note);
});

afterEach(() => {
  cleanup();
  window.removeEventListener('cipher:sessionChanged', note);
  announced.length = 0;
  localStorage.clear();
});

function Transcript() {
  const { view, send } = useChat();
  const { draft, setDraft } = useDraft(view?.sessionId ?? null);
  const lines = view?.items.map((item) => (item.kind === 'pending' ? item.pending.content : item.kind));
  return (
    <>
      <p data-testid="phase">{view === null ? 'welcome' : view.phase}</p>
      <p data-testid="session">{view?.sessionId}</p>
      <p data-testid="lines">{lines?.join(' ')}</p>
      <p data-testid="draft">{draft}</p>
      <button onClick={() => void send('hello')}>send</button>
      <button onClick={() => setDraft(`draft of ${view?.sessionId ?? 'nobody'}`)}>type</button>
    </>
  );
}

const shown = (name: string) => screen.getByTestId(name).textContent;
const click = (name: string) => act(() => screen.getByText(name).click());

function go(sessionId: string | null): void {
  act(() => {
    window.dispatchEvent(new CustomEvent('cipher:sessionChanged', { detail: { sessionId } }));
  });
}

it('shows the welcome state at / and the session of the address at /s/:id', async () => {
  const page = render(<ChatProvider><Transcript /></ChatProvider>);
  expect(shown('phase')).toBe('welcome');
  page.unmount();
  window.history.replaceState(null, '', '/s/a');
  render(<ChatProvider><Transcript /></ChatProvider>);
  expect(shown('phase')).toBe('loading');
  (await rest.next('POST', '/api/sessions/a/load')).answer(historyOf(['hi']));
  await eventually(() => expect(shown('phase')).toBe('ready'));
  expect(shown('session')).toBe('a');
});

it('announces each change of session once, and follows the announcements of others', () => {
  render(<ChatProvider><Transcript /></ChatProvider>);
  go('b');
  expect(window.location.pathname).toBe('/s/b');
  expect(shown('session')).toBe('b');
  expect(announced).toEqual(['b', 'b']);
  go('b');
  expect(announced).toEqual(['b', 'b', 'b']);
  act(() => window.history.back());
});

it('takes no switch to something that cannot be a session', () => {
  render(<ChatProvider><Transcript /></ChatProvider>);
  act(() => {
    for (const detail of [undefined, null, {}, { sessionId: 7 }, { sessionId: '../x' }, { sessionId: '' }]) {
      window.dispatchEvent(new CustomEvent('cipher:sessionChanged', { detail }));
    }
  });
  expect(window.location.pathname).toBe('/');
});

it('goes to a new session and shows the first message in one step', async () => {
  render(<ChatProvider><Transcript /></ChatProvider>);
  click('send');
  const sessionId = shown('session');
  expect(window.location.pathname).toBe(`/s/${sessionId}`);
  expect(shown('lines')).toBe('hello');
  expect((await rest.next('POST', '/api/sessions')).body).toEqual({ sessionId });
});

it('keeps a draft for each session', () => {
  render(<ChatProvider><Transcript /></ChatProvider>);
  click('type');
  go('a');
  expect(shown('draft')).toBe('');
  click('type');
  go(null);
  expect(shown('draft')).toBe('draft of nobody');
  go('a');
  expect(shown('draft')).toBe('draft of a');
});

it('does not render what only needs the actions when the transcript changes', () => {
  let renders = 0;
  function Composer() {
    const { send } = useChatActions();
    useRunningTurnId();
    renders += 1;
    return <button onClick={() => void send('more')}>more</button>;
  }
  window.history.replaceState(null, '', '/s/a');
  render(<ChatProvider><Transcript /><Composer /></ChatProvider>);
  const before = renders;
  click('more');
  expect(shown('lines')).toBe('more');
  expect(renders).toBe(before);
});

it('connects only when told to', () => {
  function Line() {
    const { state, retryNow } = useConnection();
    return <button onClick={retryNow}>{state}</button>;
  }
  SilentSocket.dialled.length = 0;
  render(<ChatProvider wsUrl="ws://elsewhere/ws" autoConnect={false}><Line /></ChatProvider>);
  expect(SilentSocket.dialled).toEqual([]);
  act(() => screen.getByRole('button').click());
  expect(SilentSocket.dialled).toEqual(['ws://elsewhere/ws']);
  expect(screen.getByRole('button').textContent).toBe('connecting');
});

it('leaves a session that is removed while it is on screen', async () => {
  function Panel() {
    const { sessions, phase, remove } = useSessions();
    return <button onClick={() => void remove('a')}>{`${phase} ${sessions.length}`}</button>;
  }
  window.history.replaceState(null, '', '/s/a');
  render(<ChatProvider><Transcript /><Panel /></ChatProvider>);
  (await rest.next('GET', '/api/sessions')).answer({ sessions: [{ id: 'a', createdAt: 1, lastActivity: 1 }], nextCursor: null });
  await eventually(() => screen.getByText('ready 1'));
  click('ready 1');
  expect(window.location.pathname).toBe('/');
  expect(shown('phase')).toBe('welcome');
  screen.getByText('ready 0');
});

it('fetches the sessions again when one comes back to the window after a while', async () => {
  function Panel() {
    return <p>{useSessions().sessions.map(({ id }) => id).join(' ')}</p>;
  }
  render(<ChatProvider><Panel /></ChatProvider>);
  const answer = async (id: string) =>
    (await rest.next('GET', '/api/sessions')).answer({ sessions: [{ id, createdAt: 1, lastActivity: 1 }], nextCursor: null });
  await answer('a');
  await eventually(() => screen.getByText('a'));
  const later = Date.now() + 30_000;
  const clock = vi.spyOn(Date, 'now').mockImplementation(() => later);
  window.dispatchEvent(new Event('focus'));
  await answer('b');
  clock.mockRestore();
  await eventually(() => screen.getByText('b'));
});

it('says what is missing when a hook is used outside the provider', () => {
  vi.spyOn(console, 'error').mockImplementation(() => {});
  expect(() => render(<Transcript />)).toThrow('ChatProvider');
});
