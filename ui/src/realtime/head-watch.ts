/**
 * Notices a log that grew without us.
 *
 * Owns the comparison of the heads that a pong names with where the page stands. A head that is
 * still ahead after a moment means that something was lost on the way, and the session is
 * subscribed again; a head that we reach in the meantime means nothing.
 */
import type { Clock } from './ports';

const PATIENCE_MS = 2_000;

export class HeadWatch {
  private readonly waiting = new Map<string, () => void>();

  constructor(
    private readonly clock: Clock,
    /** The last `seq` that the page has of a session, or null if it does not follow it. */
    private readonly ownHead: (sessionId: string) => number | null,
    private readonly behind: (sessionId: string) => void,
  ) {}

  compare(heads: Readonly<Record<string, number>>): void {
    for (const [sessionId, head] of Object.entries(heads)) {
      if (this.waiting.has(sessionId) || !this.isBehind(sessionId, head)) continue;
      const callOff = this.clock.after(PATIENCE_MS, () => {
        this.waiting.delete(sessionId);
        if (this.isBehind(sessionId, head)) this.behind(sessionId);
      });
      this.waiting.set(sessionId, callOff);
    }
  }

  stop(): void {
    for (const callOff of this.waiting.values()) callOff();
    this.waiting.clear();
  }

  private isBehind(sessionId: string, head: number): boolean {
    const own = this.ownHead(sessionId);
    return own !== null && own < head;
  }
}
