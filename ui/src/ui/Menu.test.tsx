import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Menu } from './Menu';

describe('a menu', () => {
  const onClose = vi.fn();
  const rename = vi.fn();
  const remove = vi.fn();
  let opener: HTMLButtonElement;

  beforeEach(() => {
    vi.clearAllMocks();
    opener = document.body.appendChild(document.createElement('button'));
    const actions = [
      { label: 'Rename', icon: null, act: rename },
      { label: 'Pin', icon: null, act: vi.fn() },
      { label: 'Delete', icon: null, act: remove },
    ];
    render(<Menu label="Actions" opener={opener} actions={actions} onClose={onClose} />);
  });

  afterEach(() => {
    cleanup();
    opener.remove();
  });

  const focused = () => document.activeElement?.textContent;
  const press = (key: string) => fireEvent.keyDown(document.activeElement ?? document.body, { key });

  it('takes focus to its first item and goes round with the arrows', () => {
    expect(focused()).toBe('Rename');
    press('ArrowUp');
    expect(focused()).toBe('Delete');
    press('ArrowDown');
    expect(focused()).toBe('Rename');
    press('End');
    expect(focused()).toBe('Delete');
  });

  it('jumps to the item that begins with a letter', () => {
    press('p');
    expect(focused()).toBe('Pin');
  });

  it.each(['Escape', 'Tab'])('closes with %s and gives focus back', (key) => {
    press(key);
    expect(onClose).toHaveBeenCalledTimes(1);
    expect(document.activeElement).toBe(opener);
  });

  it('closes before it acts, so that the action may take focus elsewhere', () => {
    rename.mockImplementation(() => expect(onClose).toHaveBeenCalled());
    fireEvent.click(screen.getByRole('menuitem', { name: 'Rename' }));
    expect(rename).toHaveBeenCalledTimes(1);
  });

  it('closes when something else is pressed', () => {
    fireEvent.pointerDown(document.body);
    expect(onClose).toHaveBeenCalledTimes(1);
    expect(remove).not.toHaveBeenCalled();
  });
});
