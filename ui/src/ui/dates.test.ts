import { describe, expect, it } from 'vitest';
import { dayLabel, monthLabel, relativeTime, sameDay } from './dates';

const now = new Date(2026, 10, 22, 14, 5).getTime();
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

describe('times as words', () => {
  it.each([
    [10_000, 'just now'],
    [4 * minute, '4 min ago'],
    [2 * hour, '2 h ago'],
    [15 * hour, 'Yesterday'],
    [3 * day, 'Thu'],
  ])('says how long ago %i ms are', (age, words) => {
    expect(relativeTime(now - age, now)).toBe(words);
  });

  it('adds the year once it is another one', () => {
    expect(relativeTime(new Date(2026, 2, 4).getTime(), now)).not.toContain('2026');
    expect(relativeTime(new Date(2025, 2, 4).getTime(), now)).toContain('2025');
    expect(monthLabel(new Date(2026, 9, 4).getTime(), now)).toBe('October');
    expect(monthLabel(new Date(2025, 9, 4).getTime(), now)).toBe('October 2025');
  });

  it('calls a time ahead of this clock just now, and its day today', () => {
    expect(relativeTime(now + 5 * minute, now)).toBe('just now');
    expect(dayLabel(now + 5 * minute, now)).toBe('Today');
  });

  it('begins a day at midnight, not 24 hours ago', () => {
    expect(dayLabel(new Date(2026, 10, 21, 23, 59).getTime(), now)).toBe('Yesterday');
    expect(dayLabel(new Date(2026, 10, 22, 0, 1).getTime(), now)).toBe('Today');
    expect(sameDay(new Date(2026, 10, 21, 23, 59).getTime(), new Date(2026, 10, 22, 0, 1).getTime())).toBe(false);
  });
});
