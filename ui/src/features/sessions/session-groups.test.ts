import { describe, expect, it } from 'vitest';
import type { SessionSummary } from '../../wire/types';
import { panelRows } from './session-groups';

const now = new Date(2026, 10, 22, 14, 5).getTime();
const day = 86_400_000;

function session(id: string, age: number, pinned = false): SessionSummary {
  const lastActivity = now - age;
  return { id, title: id, createdAt: 0, lastActivity, messageCount: 1, pinned, epoch: 'e', headSeq: 1, leafSeq: 1 };
}

const outline = (sessions: SessionSummary[]) =>
  panelRows(sessions, now).map((row) => (row.kind === 'heading' ? `[${row.label}]` : row.session.id));

describe('the groups of the panel', () => {
  it('are pinned first, then by how long ago the sessions were active', () => {
    const sessions = [
      session('today', 60_000),
      session('yesterday', day),
      session('week', 4 * day),
      session('month', 20 * day),
      session('kept', 25 * day, true),
      session('october', 45 * day),
      session('year', 400 * day),
    ];
    expect(outline(sessions)).toEqual([
      '[Pinned]', 'kept',
      '[Today]', 'today',
      '[Yesterday]', 'yesterday',
      '[Previous 7 days]', 'week',
      '[Previous 30 days]', 'month',
      '[October]', 'october',
      '[October 2025]', 'year',
    ]);
  });

  it('have no heading without a session', () => {
    expect(outline([session('old', 4 * day)])).toEqual(['[Previous 7 days]', 'old']);
    expect(outline([])).toEqual([]);
  });

  it('have keys that no heading and no session share', () => {
    const rows = panelRows([session('Today', 0), session('Pinned', 1, true)], now);
    expect(new Set(rows.map(({ key }) => key)).size).toBe(rows.length);
  });
});
