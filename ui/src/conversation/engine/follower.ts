/**
 * Following the session on screen over the socket.
 *
 * Owns when to subscribe and from where: with the greeting, after a page came, and again when something
 * was lost, but at most once a second. A subscription always starts from our own cursor, so what it
 * brings joins what is held.
 */
import { backoffMs } from '../../realtime/backoff';
import type { Clock, Random } from '../../realtime/ports';
import type { ClientCommand, Refusal } from '../../wire/events';
import type { Subscription } from '../../wire/types';
import type { Conversations } from './conversations';
import { positionOf } from '../position';
import type { ConversationState } from '../state';

const REPLAY_APART_MS = 1_000;
const PATIENCE = 4;
/** How long a subscription may take to catch up before it is asked for again. */
const CAUGHT_UP_WITHIN_MS = 10_000;

export interface FollowerPorts {
  clock: Clock;
  random: Random;
  conversations: Conversations;
  send(command: ClientCommand): boolean;
  /** Whether the session exists only here as yet. */
  isUnmade(sessionId: string): boolean;
  /** Whether this page made the session, so that nothing older than our sends is in it. */
  wasMadeHere(sessionId: string): boolean;
}

export class Follower {
  private followed: string | null = null;
  private replayedAt = -Infinity;
  private callOffReplay = () => {};
  private callOffWatch = () => {};

  constructor(private readonly ports: FollowerPorts) {}

  /** The session to follow from now on; what was followed before is left alone. */
  follow(sessionId: string | null): void {
    this.callOffReplay();
    this.callOffWatch();
    this.replayedAt = -Infinity;
    if (this.followed !== null) {
      this.ports.send({ type: 'unsubscribe', payload: { sessionId: this.followed } });
      this.ports.conversations.apply(this.followed, { type: 'line:off' });
    }
    this.followed = sessionId;
  }

  /** What the greeting should subscribe to. */
  greeting(): Subscription[] {
    const state = this.followable();
    if (state === null) return [];
    this.asked(state.sessionId);
    return [positionOf(state)];
  }

  subscribe(): void {
    const state = this.followable();
    if (state === null) return;
    if (this.ports.send({ type: 'subscribe', payload: positionOf(state) })) this.asked(state.sessionId);
  }

  /** Subscribes again, because something was lost on the way. */
  replay(): void {
    const { clock } = this.ports;
    const wait = this.replayedAt + REPLAY_APART_MS - clock.now();
    this.callOffReplay();
    if (wait > 0) {
      this.callOffReplay = clock.after(wait, () => this.replay());
      return;
    }
    this.replayedAt = clock.now();
    this.subscribe();
  }

  /** The server will not let us follow now: the session is gone, or we ask again in a while. */
  refused(sessionId: string, { code, message, retryable }: Refusal): void {
    if (sessionId !== this.followed) return;
    const { clock, conversations, random } = this.ports;
    conversations.apply(sessionId, { type: 'line:off' });
    if (retryable) {
      this.callOffReplay();
      const wait = 1_000 + backoffMs(PATIENCE, 'soon', random);
      this.callOffReplay = clock.after(wait, () => this.subscribe());
    } else {
      const missing = code === 'not_found';
      conversations.apply(sessionId, { type: 'history:failed', what: 'newest', error: { code, message }, missing });
    }
  }

  lineLost(): void {
    if (this.followed !== null) this.ports.conversations.apply(this.followed, { type: 'line:off' });
  }

  /** Where we stand in a session's log, if it is the followed one. */
  ownHead(sessionId: string): number | null {
    if (sessionId !== this.followed) return null;
    return this.ports.conversations.settled(sessionId)?.head ?? null;
  }

  /** Whether sends of the session may go: the followed one catches up first. */
  hasCaughtUp(sessionId: string): boolean {
    const state = sessionId === this.followed ? this.ports.conversations.get(sessionId) : null;
    if (state === null || state.phase === 'missing' || state.line === 'live') return true;
    return state.line === 'asked' && this.ports.wasMadeHere(sessionId);
  }

  /** A subscription is on its way; one that nothing comes of is asked for again. */
  private asked(sessionId: string): void {
    const { clock, conversations } = this.ports;
    conversations.apply(sessionId, { type: 'line:asked' });
    this.callOffWatch();
    this.callOffWatch = clock.after(CAUGHT_UP_WITHIN_MS, () => {
      if (conversations.settled(sessionId)?.line === 'asked') this.subscribe();
    });
  }

  /** The followed session, if it has a log that we can name a place in, or begins with us. */
  private followable(): ConversationState | null {
    const state = this.followed === null ? null : this.ports.conversations.settled(this.followed);
    if (state === null || state.phase === 'missing' || this.ports.isUnmade(state.sessionId)) return null;
    const begins = state.phase === 'ready' && state.rows.length === 0;
    return state.epoch !== null || begins ? state : null;
  }
}
