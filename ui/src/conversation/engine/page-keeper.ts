/**
 * Keeps the newest page of what was on screen for the next visit's first paint.
 *
 * Owns when: a second after a message came, and at once when the session is left. What streams does not
 * count, so a running answer neither puts keeping off nor repeats it.
 */
import type { LastPages } from '../../offline/last-pages';
import type { Clock } from '../../realtime/ports';
import { pageOf } from '../position';
import type { ConversationState } from '../state';

const KEEP_AFTER_MS = 1_000;

export class PageKeeper {
  private kept: ConversationState | null = null;
  private callOff: (() => void) | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly lastPages: LastPages,
    /** The state to keep, as it is when the time has come. */
    private readonly latest: () => ConversationState | null,
  ) {}

  keepSoon(): void {
    this.callOff ??= this.clock.after(KEEP_AFTER_MS, () => this.keepNow());
  }

  keepNow(): void {
    this.callOff?.();
    this.callOff = null;
    const state = this.latest();
    if (state === null || state.stale || state.phase !== 'ready' || isSamePage(this.kept, state)) return;
    const page = pageOf(state);
    if (page === null) return;
    this.kept = state;
    void this.lastPages.save(page, this.clock.now());
  }
}

function isSamePage(kept: ConversationState | null, state: ConversationState): boolean {
  return kept?.rows === state.rows && kept.leafSeq === state.leafSeq && kept.epoch === state.epoch;
}
