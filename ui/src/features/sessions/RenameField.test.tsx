import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RenameField } from './RenameField';

describe('renaming in place', () => {
  const onDone = vi.fn();
  const field = () => screen.getByRole<HTMLInputElement>('textbox', { name: 'Title of the session' });
  const type = (value: string) => fireEvent.change(field(), { target: { value } });

  beforeEach(() => {
    onDone.mockClear();
    render(<RenameField title="Boat" onDone={onDone} />);
  });
  afterEach(cleanup);

  it('begins with the whole title selected', () => {
    expect(document.activeElement).toBe(field());
    expect([field().selectionStart, field().selectionEnd]).toEqual([0, 4]);
  });

  it('keeps the new title on Enter, once, though the field is left after that', () => {
    type('  Names for the boat ');
    fireEvent.keyDown(field(), { key: 'Enter' });
    fireEvent.blur(field());
    expect(onDone.mock.calls).toEqual([['Names for the boat', true]]);
  });

  it('keeps the old title on Escape', () => {
    type('Something else');
    fireEvent.keyDown(field(), { key: 'Escape' });
    fireEvent.blur(field());
    expect(onDone.mock.calls).toEqual([[null, true]]);
  });

  it('keeps the new title when the field is left', () => {
    type('Ship');
    fireEvent.blur(field());
    expect(onDone.mock.calls).toEqual([['Ship', false]]);
  });

  it.each(['', '   ', 'Boat'])('changes nothing for %j', (value) => {
    type(value);
    fireEvent.keyDown(field(), { key: 'Enter' });
    expect(onDone.mock.calls).toEqual([[null, true]]);
  });

  it('does not take the Enter that ends a composition', () => {
    type('船の');
    fireEvent.keyDown(field(), { key: 'Enter', isComposing: true });
    fireEvent.keyDown(field(), { key: 'Enter', keyCode: 229 });
    expect(onDone).not.toHaveBeenCalled();
  });
});
