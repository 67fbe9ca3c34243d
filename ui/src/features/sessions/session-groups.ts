/**
 * Sessions as the rows of the panel: pinned ones first, then by how long ago they were last active.
 *
 * Pure. Sessions come in newest first and keep that order inside a group; a group without sessions
 * has no heading. Keys are unique over headings and sessions, as the virtualiser needs.
 */
import { dayStart, monthLabel } from '../../ui/dates';
import type { SessionSummary } from '../../wire/types';

export type PanelRow =
  | { kind: 'heading'; key: string; label: string }
  | { kind: 'session'; key: string; session: SessionSummary; position: number };

function groupLabel(at: number, now: number): string {
  if (at >= dayStart(now)) return 'Today';
  if (at >= dayStart(now, 1)) return 'Yesterday';
  if (at >= dayStart(now, 7)) return 'Previous 7 days';
  if (at >= dayStart(now, 30)) return 'Previous 30 days';
  return monthLabel(at, now);
}

export function panelRows(sessions: readonly SessionSummary[], now: number): PanelRow[] {
  const rows: PanelRow[] = [];
  let heading = '';
  let position = 0;
  const add = (session: SessionSummary, label: string) => {
    if (label !== heading) rows.push({ kind: 'heading', key: `group:${label}`, label });
    heading = label;
    position += 1;
    rows.push({ kind: 'session', key: `session:${session.id}`, session, position });
  };
  for (const session of sessions) if (session.pinned) add(session, 'Pinned');
  for (const session of sessions) {
    if (!session.pinned) add(session, groupLabel(session.lastActivity, now));
  }
  return rows;
}
