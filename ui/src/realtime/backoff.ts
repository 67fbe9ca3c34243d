/**
 * How long to wait before the next dial, and what a close code asks for.
 *
 * Full jitter: each delay is drawn from zero up to a ceiling that doubles, so that the clients of a
 * restarted server do not come back all at once.
 */
import type { Random } from './ports';

/** `stop` waits for a person; `patient` keeps off a server that asked for less. */
export type Reconnect = 'soon' | 'patient' | 'stop';

const CLOSE_CODES: Readonly<Record<number, Reconnect>> = {
  4400: 'patient',
  4401: 'stop',
  4403: 'stop',
  4429: 'patient',
  4503: 'patient',
};

/** What to do after a close; 1012, 4408, 4413 and a line that broke come back soon. */
export function reconnectAfter(closeCode: number): Reconnect {
  return CLOSE_CODES[closeCode] ?? 'soon';
}

/** The delay in milliseconds before dial number `failures` + 1. */
export function backoffMs(failures: number, manner: 'soon' | 'patient', random: Random): number {
  const doublings = Math.min(failures, 10);
  if (manner === 'soon') return Math.round(random() * Math.min(10_000, 250 * 2 ** doublings));
  return Math.round(2_500 + random() * Math.min(57_500, 5_000 * 2 ** doublings));
}
