/**
 * What happens to sessions as such, for whoever shows a list of them.
 */
import type { SessionCreated, SessionDeleted, SessionUpdated } from '../../wire/events';
import type { SessionSummary } from '../../wire/types';

export type SessionNews =
  | SessionCreated
  | SessionUpdated
  | SessionDeleted
  /** A session that a person began here; the server may not have it yet. */
  | { type: 'session:begun'; summary: SessionSummary }
  /** It could not be made after all. */
  | { type: 'session:unmade'; sessionId: string }
  /** News may have been missed. */
  | { type: 'reconnected' };

type Listener = (news: SessionNews) => void;

export class SessionNewsBoard {
  private readonly listeners = new Set<Listener>();

  tell(news: SessionNews): void {
    for (const listener of this.listeners) listener(news);
  }

  listen(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}
