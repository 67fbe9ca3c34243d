import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Markdown } from '../Markdown';
import { loadEverything } from '../testing';

const source = 'const x = 1;\nx;';
const show = (info: string) => render(<Markdown text={`\`\`\`${info}\n${source}\n\`\`\``} streaming={false} />);

describe('a code block', () => {
  beforeAll(loadEverything, 30_000);
  afterEach(cleanup);

  it('says its language and can be scrolled by keyboard', () => {
    const { container } = show('js');
    expect(screen.getByRole('group', { name: 'Code, JavaScript' })).toBeTruthy();
    expect(container.querySelector('pre')!.tabIndex).toBe(0);
    expect(container.querySelector('pre')!.textContent).toBe(source);
  });

  it('is coloured when its grammar has come, and says the same', async () => {
    const { container } = show('js');
    await waitFor(() => expect(container.querySelector('.hl-keyword')?.textContent).toBe('const'));
    expect(container.querySelector('pre')!.textContent).toBe(source);
  });

  it('is plain in a language that nobody knows', () => {
    const { container } = show('nobody-knows');
    expect(container.querySelector('code')!.innerHTML).toBe(source);
  });

  it('is copied, and says so once, politely', async () => {
    const writeText = vi.fn(() => Promise.resolve());
    vi.stubGlobal('navigator', { clipboard: { writeText } });
    show('');
    expect(screen.getByRole('status').textContent).toBe('');
    fireEvent.click(screen.getByRole('button', { name: 'Copy code' }));
    await waitFor(() => expect(screen.getByRole('status').textContent).toBe('Code copied'));
    expect(writeText).toHaveBeenCalledExactlyOnceWith(source);
  });

  it('is copied where the browser has no clipboard, and says if it cannot be', async () => {
    vi.stubGlobal('navigator', {});
    const copied: string[] = [];
    document.execCommand = () => {
      copied.push((document.activeElement as HTMLTextAreaElement).value);
      return copied.length === 1;
    };
    show('');
    const copy = screen.getByRole('button', { name: 'Copy code' });
    fireEvent.click(copy);
    await waitFor(() => expect(screen.getByRole('status').textContent).toBe('Code copied'));
    fireEvent.click(copy);
    await waitFor(() => expect(screen.getByRole('status').textContent).toBe('The code could not be copied'));
    expect(copied).toEqual([source, source]);
    expect(document.querySelector('textarea')).toBeNull();
  });

  it('wraps its lines on demand', () => {
    const { container } = show('');
    const wrap = screen.getByRole('button', { name: 'Wrap lines' });
    expect(wrap.getAttribute('aria-pressed')).toBe('false');
    fireEvent.click(wrap);
    expect(wrap.getAttribute('aria-pressed')).toBe('true');
    expect(container.querySelector('pre')!.className).toBe('md-wrapped');
  });

  it('is downloaded under a name of its kind', async () => {
    const blobs: Blob[] = [];
    const names: string[] = [];
    vi.spyOn(URL, 'createObjectURL').mockImplementation((blob) => {
      blobs.push(blob as Blob);
      return 'blob:here';
    });
    vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(function (this: HTMLAnchorElement) {
      names.push(this.download);
    });
    show('py');
    fireEvent.click(screen.getByRole('button', { name: 'Download code' }));
    expect(names).toEqual(['code.py']);
    expect(await blobs[0]!.text()).toBe(`${source}\n`);
  });
});
