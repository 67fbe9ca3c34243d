/**
 * The session on screen: painted from what is at hand, then brought into step with the server.
 *
 * Owns loading and paging; `follower.ts` owns the subscription, `page-keeper.ts` what is kept of it.
 * Promises that the last session asked for wins, that a reply which comes after a switch is dropped,
 * and that whatever the reducer finds missing is fetched.
 */
import { failureOf } from '../../api/client';
import { loadOlder, loadSession } from '../../api/sessions';
import type { LastPages } from '../../offline/last-pages';
import { backoffMs } from '../../realtime/backoff';
import type { Clock, Random } from '../../realtime/ports';
import type { Conversations } from './conversations';
import type { Follower } from './follower';
import { PageKeeper } from './page-keeper';
import { branch, goesOn } from '../rows';


export interface OpenerPorts {
  clock: Clock;
  random: Random;
  conversations: Conversations;
  lastPages: LastPages;
  follower: Follower;
  /** Whether the session exists only here as yet. */
  isUnmade(sessionId: string): boolean;
}

export class Opener {
  current: string | null = null;
  private loading: AbortController | null = null;
  private failures = 0;
  private callOffLoad = () => {};
  /** Keeps what is on screen for the next visit. */
  readonly keeper: PageKeeper;

  constructor(private readonly ports: OpenerPorts) {
    this.keeper = new PageKeeper(ports.clock, ports.lastPages, () =>
      this.current === null ? null : ports.conversations.settled(this.current),
    );
  }

  /** Puts a session on screen, or none; whether that is a change. */
  show(sessionId: string | null): boolean {
    if (sessionId === this.current) return false;
    this.leave();
    this.current = sessionId;
    if (sessionId !== null) this.ports.conversations.open(sessionId);
    this.ports.follower.follow(sessionId);
    if (sessionId === null) return true;
    if (this.ports.isUnmade(sessionId)) this.begin(sessionId);
    else this.load(sessionId);
    return true;
  }

  /** The session on screen exists only here: there is nothing to ask for until it is made. */
  begin(sessionId: string): void {
    this.loading?.abort();
    this.loading = null;
    this.callOffLoad();
    this.ports.conversations.apply(sessionId, { type: 'history:fresh' });
  }

  /** Asks the server for the newest page, and then for what comes after it. */
  load(sessionId: string, anew = false): void {
    this.callOffLoad();
    this.loading?.abort();
    const loading = new AbortController();
    this.loading = loading;
    const { conversations, lastPages } = this.ports;
    conversations.apply(sessionId, { type: 'history:loading', what: 'newest', anew });
    if (conversations.get(sessionId)?.phase === 'loading') {
      void lastPages.load(sessionId).then((page) => {
        if (page !== null && sessionId === this.current) {
          conversations.apply(sessionId, { type: 'history:cached', page });
        }
      });
    }
    loadSession(sessionId, loading.signal).then(
      (page) => {
        if (loading.signal.aborted) return;
        this.loading = null;
        this.failures = 0;
        conversations.apply(sessionId, { type: 'history:newest', page });
        if (conversations.get(sessionId)?.line === 'off') this.ports.follower.subscribe();
      },
      (error: unknown) => {
        if (!loading.signal.aborted) this.loadFailed(sessionId, error);
      },
    );
  }

  private loadFailed(sessionId: string, thrown: unknown): void {
    const { code, message, retryable } = failureOf(thrown);
    this.loading = null;
    this.ports.conversations.apply(sessionId, {
      type: 'history:failed',
      what: 'newest',
      error: { code, message },
      missing: code === 'not_found',
    });
    if (!retryable) return;
    const delay = 500 + backoffMs(this.failures, 'soon', this.ports.random);
    this.failures += 1;
    this.callOffLoad = this.ports.clock.after(delay, () => this.load(sessionId));
  }

  async older(): Promise<void> {
    const { conversations } = this.ports;
    const sessionId = this.current;
    const state = sessionId === null ? null : conversations.settled(sessionId);
    if (sessionId === null || state === null || state.loadingOlder || state.epoch === null) return;
    const path = branch(state.rows, state.leafSeq);
    const oldest = path[0];
    if (oldest === undefined || !goesOn(path, state.topSeq)) return;
    conversations.apply(sessionId, { type: 'history:loading', what: 'older' });
    try {
      const page = await loadOlder(sessionId, oldest.seq);
      conversations.apply(sessionId, { type: 'history:older', page });
    } catch (error) {
      const { code, message } = failureOf(error);
      const missing = code === 'not_found';
      conversations.apply(sessionId, { type: 'history:failed', what: 'older', error: { code, message }, missing });
    }
  }

  /**
   * The server has greeted us: load again what could not be loaded or may be old, and follow what
   * came too late for our greeting and too early for a subscription of its own.
   */
  welcomed(): void {
    const state = this.current === null ? null : this.ports.conversations.get(this.current);
    if (state === null || this.loading !== null || this.ports.isUnmade(state.sessionId)) return;
    if (state.phase === 'error' || state.phase === 'loading' || state.stale) this.load(state.sessionId);
    else if (state.line === 'off') this.ports.follower.subscribe();
  }

  /**
   * The session may have been deleted by a program that tells nobody: the server is asked for it, and
   * the page goes when it has none.
   */
  doubt(sessionId: string): void {
    const known = sessionId === this.current && this.ports.conversations.get(sessionId)?.phase !== 'missing';
    if (known && this.loading === null) this.load(sessionId);
  }

  /** Fetches what the session's state found missing. */
  fulfil(sessionId: string): void {
    const wants = this.ports.conversations.get(sessionId)?.wants ?? 'nothing';
    if (sessionId !== this.current || wants === 'nothing') return;
    if (wants === 'history') {
      if (this.loading === null) this.load(sessionId);
      return;
    }
    this.ports.follower.replay();
  }

  expectRetry(turnId: string): void {
    if (this.current !== null) this.ports.conversations.apply(this.current, { type: 'retry:asked', turnId });
  }

  private leave(): void {
    this.loading?.abort();
    this.loading = null;
    this.failures = 0;
    this.callOffLoad();
    this.keeper.keepNow();
  }
}
