/**
 * Sessions that begin in this page, under ids of its own.
 *
 * Owns the call that makes each of them, once however often it is asked for. That the session exists
 * already is as good as having made it: an earlier call's answer was lost.
 */
import { ApiError } from '../../api/client';
import { createSession } from '../../api/sessions';

export class Maker {
  private readonly making = new Map<string, Promise<void>>();
  private readonly made = new Set<string>();

  /** Settles when the server has the session; raises `ApiError`. */
  make(sessionId: string): Promise<void> {
    const held = this.making.get(sessionId);
    if (held !== undefined) return held;
    const making = this.ask(sessionId).finally(() => this.making.delete(sessionId));
    this.making.set(sessionId, making);
    return making;
  }

  isMaking(sessionId: string): boolean {
    return this.making.has(sessionId);
  }

  /** Whether it was made by this page, so that nothing older than our sends is in it. */
  wasMadeHere(sessionId: string): boolean {
    return this.made.has(sessionId);
  }

  private async ask(sessionId: string): Promise<void> {
    try {
      await createSession(sessionId);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'session_exists') throw error;
    }
    this.made.add(sessionId);
  }
}
