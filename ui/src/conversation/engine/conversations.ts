/**
 * The sessions that the page holds in memory, each under its own id.
 *
 * Owns their states and the queue in front of the reducer: what arrives within one frame becomes one
 * change. Promises that events are applied in order of arrival, and that an event of a session that
 * is not held changes nothing, so an answer can never appear in another session.
 */
import type { NextFrame } from '../../realtime/frame-batch';
import type { ConversationEvent } from '../../wire/events';
import type { PageEvent } from '../pages';
import { reduce } from '../reducer';
import { emptyConversation, type ConversationState } from '../state';

/** How many sessions stay in memory for an instant way back. */
const MOST_HELD = 12;

export class Conversations {
  /** In order of last use. */
  private readonly held = new Map<string, ConversationState>();
  private queue: { sessionId: string; event: ConversationEvent }[] = [];
  private frameAsked = false;

  constructor(
    private readonly nextFrame: NextFrame,
    /** Called after every change with the sessions that changed. */
    private readonly changed: (sessionIds: ReadonlySet<string>) => void,
  ) {}

  /** The session's state, which counts as used now; made empty if it was not held. */
  open(sessionId: string): ConversationState {
    const state = this.held.get(sessionId) ?? emptyConversation(sessionId);
    this.held.delete(sessionId);
    this.held.set(sessionId, state);
    for (const oldest of this.held.keys()) {
      if (this.held.size <= MOST_HELD) break;
      this.held.delete(oldest);
    }
    return state;
  }

  get(sessionId: string): ConversationState | null {
    return this.held.get(sessionId) ?? null;
  }

  /** The state with everything applied that has arrived. */
  settled(sessionId: string): ConversationState | null {
    this.flush();
    return this.get(sessionId);
  }

  /** Applies a server's event at the next frame. */
  receive(event: ConversationEvent): void {
    if (!this.held.has(event.sessionId)) return;
    this.queue.push({ sessionId: event.sessionId, event });
    if (this.frameAsked) return;
    this.frameAsked = true;
    this.nextFrame(() => {
      this.frameAsked = false;
      this.flush();
    });
  }

  /** Applies an event of the page's own now, after all that arrived before it. */
  apply(sessionId: string, event: PageEvent): void {
    this.flush();
    const state = this.held.get(sessionId);
    if (state === undefined) return;
    const next = reduce(state, event);
    if (next === state) return;
    this.held.set(sessionId, next);
    this.changed(new Set([sessionId]));
  }

  flush(): void {
    if (this.queue.length === 0) return;
    const { queue } = this;
    this.queue = [];
    const changed = new Set<string>();
    for (const { sessionId, event } of queue) {
      const state = this.held.get(sessionId);
      if (state === undefined) continue;
      const next = reduce(state, event);
      if (next === state) continue;
      this.held.set(sessionId, next);
      changed.add(sessionId);
    }
    if (changed.size > 0) this.changed(changed);
  }
}
