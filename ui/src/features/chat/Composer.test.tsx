import { act, cleanup, configure, createEvent, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { createRef } from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { asked, emptyStage, setStage, useStage } from '../../../screens/stage';
import type { ConversationView } from '../../conversation/view';
import { ToastRegion } from '../../ui/ToastRegion';
import { useToasts } from '../../ui/toasts';
import { Composer, maxCharacters } from './Composer';
import type { ComposerHandle } from './Composer';

vi.mock('./use-chat', () => import('../../../screens/stage'));
vi.mock('./use-draft', () => import('../../../screens/stage'));
vi.mock('../connection/use-connection', () => import('../../../screens/stage'));

const field = () => screen.getByRole<HTMLTextAreaElement>('textbox', { name: 'Message' });
const type = (value: string) => fireEvent.change(field(), { target: { value } });
const button = (name: string) => screen.getByRole<HTMLButtonElement>('button', { name });
const running = {
  sessionId: 's',
  phase: 'ready',
  error: null,
  items: [],
  hasOlder: false,
  loadingOlder: false,
  runningTurnId: 't',
  stale: false,
} satisfies ConversationView;

function enter(more: Partial<KeyboardEventInit> & { keyCode?: number } = {}) {
  const event = createEvent.keyDown(field(), { key: 'Enter', ...more });
  fireEvent(field(), event);
  return event;
}

// A busy machine takes its time.
configure({ asyncUtilTimeout: 10_000 });

describe('the composer', () => {
  const handle = createRef<ComposerHandle>();

  beforeEach(() => {
    setStage(emptyStage);
    useToasts.setState({ toasts: [] });
    render(
      <>
        <Composer ref={handle} sessionId="s" aside="gpt-5-mini" />
        <ToastRegion />
      </>,
    );
  });
  afterEach(cleanup);

  it('sends with Enter what was typed, as it was typed, and is empty at once', () => {
    type('  two lines\n  indented');
    expect(enter().defaultPrevented).toBe(true);
    expect(asked('send')).toEqual([['  two lines\n  indented']]);
    expect(field().value).toBe('');
    expect(document.activeElement).toBe(field());
  });

  it('leaves Shift+Enter to the field', () => {
    type('a line');
    expect(enter({ shiftKey: true }).defaultPrevented).toBe(false);
    expect(asked('send')).toEqual([]);
  });

  it('does not send while an input method composes, nor with the Enter that ends it', () => {
    type('こんにちは');
    expect(enter({ isComposing: true }).defaultPrevented).toBe(false);
    expect(enter({ keyCode: 229 }).defaultPrevented).toBe(false);
    expect(asked('send')).toEqual([]);
  });

  it.each(['', '  \n '])('has nothing to send in %j', (text) => {
    type(text);
    enter();
    expect(button('Send').disabled).toBe(true);
    expect(asked('send')).toEqual([]);
  });

  it('gives the text back and says why when a send fails', async () => {
    setStage({ refuse: { send: new Error('The server did not answer.') } });
    type('precious');
    enter();
    await screen.findByText('Not sent: The server did not answer.');
    expect(field().value).toBe('precious');
  });

  it('does not put a failed text over what was typed meanwhile', async () => {
    setStage({ refuse: { send: new Error('no') } });
    type('first');
    enter();
    type('second');
    await screen.findByText('Not sent: no');
    expect(field().value).toBe('first\n\nsecond');
  });

  it('can stop the answer that runs, and send meanwhile', async () => {
    act(() => setStage({ view: running }));
    expect(screen.queryByRole('button', { name: /^Send/ })).toBeNull();
    fireEvent.click(button('Stop the answer'));
    expect(asked('cancel')).toEqual([[]]);
    type('and then?');
    fireEvent.click(button('Send when the answer ends'));
    await waitFor(() => expect(asked('send')).toEqual([['and then?']]));
  });

  it('says that a stop was heard, keeps the focus, and asks for it once', async () => {
    act(() => setStage({ view: running }));
    button('Stop the answer').focus();
    fireEvent.click(button('Stop the answer'));
    expect(screen.getByText('Stopping…')).toBeTruthy();
    expect(document.activeElement).toBe(button('Stop the answer'));
    fireEvent.click(button('Stop the answer'));
    expect(asked('cancel')).toEqual([[]]);
    act(() => setStage({ connection: { ...useStage.getState().connection, state: 'reconnecting' } }));
    await screen.findByText('Stops when the connection is back.');
  });

  it('takes the keyboard over from the stop button when that goes with the answer', () => {
    act(() => setStage({ view: running }));
    act(() => button('Stop the answer').focus());
    fireEvent.click(button('Stop the answer'));
    act(() => setStage({ view: { ...running, runningTurnId: null } }));
    expect(screen.queryByRole('button', { name: 'Stop the answer' })).toBeNull();
    expect(document.activeElement).toBe(field());
  });

  it('is not disabled while there is no connection', () => {
    act(() => setStage({ connection: { ...useStage.getState().connection, state: 'offline' } }));
    type('later');
    enter();
    expect(asked('send')).toEqual([['later']]);
  });

  it('counts near the limit, by characters and not by code units, and stops only above it', () => {
    type('x'.repeat(maxCharacters - 5_001));
    expect(screen.queryByText(/of 200,000/)).toBeNull();
    type('😀'.repeat(maxCharacters));
    expect(screen.getByText('200,000 of 200,000')).toBeTruthy();
    expect(button('Send').disabled).toBe(false);
    type('😀'.repeat(maxCharacters + 3));
    expect(screen.getByText('3 characters too long')).toBeTruthy();
    expect(button('Send').disabled).toBe(true);
    enter();
    expect(asked('send')).toEqual([]);
  });

  it('is filled by a starter without sending it', () => {
    act(() => handle.current?.fill('Compare two things'));
    expect(field().value).toBe('Compare two things');
    expect(document.activeElement).toBe(field());
    expect(asked('send')).toEqual([]);
  });
});
