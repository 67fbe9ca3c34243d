import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ThemeSwitch } from './ThemeSwitch';

const firstPaint = readFileSync('public/theme.js', 'utf8');
const chosen = () => document.documentElement.dataset.theme;

describe('the theme', () => {
  beforeEach(() => {
    localStorage.clear();
    delete document.documentElement.dataset.theme;
  });
  afterEach(cleanup);

  it('is the system’s until another is chosen, which is then applied before the first paint', () => {
    render(<ThemeSwitch />);
    expect(screen.getByRole<HTMLInputElement>('radio', { name: 'Theme of the system' }).checked).toBe(true);
    fireEvent.click(screen.getByRole('radio', { name: 'Dark theme' }));
    expect(chosen()).toBe('dark');
    delete document.documentElement.dataset.theme;
    new Function(firstPaint)();
    expect(chosen()).toBe('dark');
  });

  it('is the system’s again when that is chosen', () => {
    render(<ThemeSwitch />);
    fireEvent.click(screen.getByRole('radio', { name: 'Light theme' }));
    fireEvent.click(screen.getByRole('radio', { name: 'Theme of the system' }));
    new Function(firstPaint)();
    expect(chosen()).toBeUndefined();
  });

  it('follows a choice made in another tab', () => {
    render(<ThemeSwitch />);
    fireEvent(window, new StorageEvent('storage', { key: 'cipher.theme', newValue: 'dark' }));
    expect(chosen()).toBe('dark');
    expect(screen.getByRole<HTMLInputElement>('radio', { name: 'Dark theme' }).checked).toBe(true);
  });
});
