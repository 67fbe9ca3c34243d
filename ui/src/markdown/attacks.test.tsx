import { cleanup, render } from '@testing-library/react';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { attacks, faults } from './attacks';
import { Markdown } from './Markdown';
import { loadEverything } from './testing';

describe('a message that attacks the page', () => {
  beforeAll(loadEverything, 30_000);
  afterEach(cleanup);

  it('comes in many forms', () => {
    expect(new Set(attacks).size).toBe(attacks.length);
    expect(attacks.length).toBeGreaterThan(200);
  });

  it.each(attacks.map((text) => [text]))('%j is text', (text) => {
    const alert = vi.fn();
    vi.stubGlobal('alert', alert);
    const { container, rerender } = render(<Markdown text={text} streaming={false} />);
    expect(faults(container)).toEqual([]);
    for (const length of [0.5, 0.9]) {
      rerender(<Markdown text={text.slice(0, text.length * length)} streaming />);
      expect(faults(container)).toEqual([]);
    }
    expect(alert).not.toHaveBeenCalled();
  });

  it('would be found out', () => {
    const page = document.createElement('div');
    page.innerHTML = '<a href="javascript:alert(1)" onclick="x">x</a><img src="x"><p style="color:red">y</p>';
    expect(faults(page)).toEqual([
      '<img>',
      'a[href="javascript:alert(1)"]',
      'a[onclick="x"]',
      'a link that is not marked as leading out',
      'img[src="x"]',
      'p[style]',
    ]);
  });
});
