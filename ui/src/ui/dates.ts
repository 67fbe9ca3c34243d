/**
 * Times as words, in the reader's own English where they have one, in their own time zone.
 *
 * All times are integer milliseconds. `now` is always passed in, so that what a list shows is of
 * one moment, and tests need no clock.
 */
const locale = navigator.languages.find((language) => language.startsWith('en')) ?? 'en';

const clock = new Intl.DateTimeFormat(locale, { hour: 'numeric', minute: '2-digit' });
const full = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'short' });
const weekday = new Intl.DateTimeFormat(locale, { weekday: 'long' });
const shortWeekday = new Intl.DateTimeFormat(locale, { weekday: 'short' });
const monthDay = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' });
const longDay = new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long' });
const dayOfYear = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric' });
const month = new Intl.DateTimeFormat(locale, { month: 'long' });
const monthOfYear = new Intl.DateTimeFormat(locale, { month: 'long', year: 'numeric' });

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** Midnight, local, of the day `days` before the one that `at` falls in. */
export function dayStart(at: number, days = 0): number {
  const date = new Date(at);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() - days).getTime();
}

export function sameDay(one: number, other: number): boolean {
  return dayStart(one) === dayStart(other);
}

function sameYear(one: number, other: number): boolean {
  return new Date(one).getFullYear() === new Date(other).getFullYear();
}

/** 14:03 */
export function clockTime(at: number): string {
  return clock.format(at);
}

/** Friday 20 November 2026 at 14:03 */
export function fullTime(at: number): string {
  return full.format(at);
}

/** just now · 4 min ago · 3 h ago · Yesterday · Wed · 12 Nov · 12 Nov 2025 */
export function relativeTime(at: number, now: number): string {
  const age = now - at;
  if (age < minuteMs) return 'just now';
  if (age < hourMs) return `${Math.floor(age / minuteMs)} min ago`;
  if (at >= dayStart(now)) return `${Math.floor(age / hourMs)} h ago`;
  if (at >= dayStart(now, 1)) return 'Yesterday';
  if (at >= dayStart(now, 6)) return shortWeekday.format(at);
  return sameYear(at, now) ? monthDay.format(at) : dayOfYear.format(at);
}

/** Today · Yesterday · Wednesday · Wednesday 4 November · 12 Nov 2025 */
export function dayLabel(at: number, now: number): string {
  if (at >= dayStart(now)) return 'Today';
  if (at >= dayStart(now, 1)) return 'Yesterday';
  if (at >= dayStart(now, 6)) return weekday.format(at);
  return sameYear(at, now) ? longDay.format(at) : dayOfYear.format(at);
}

/** October · October 2025 */
export function monthLabel(at: number, now: number): string {
  return sameYear(at, now) ? month.format(at) : monthOfYear.format(at);
}
