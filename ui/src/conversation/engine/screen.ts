/**
 * What is on screen: the view of one session, computed anew whenever something that it shows changed.
 */
import type { Conversations } from './conversations';
import type { PendingList } from '../sending/pending';
import type { ChatStore } from './store';
import { Viewer } from '../view';

export class Screen {
  private sessionId: string | null = null;
  private viewer = new Viewer();

  constructor(
    private readonly store: ChatStore,
    private readonly conversations: Conversations,
  ) {}

  /** Turns to another session, or with null to the welcome state; `draw` paints it. */
  turnTo(sessionId: string | null): void {
    this.sessionId = sessionId;
    this.viewer = new Viewer();
  }

  draw(pending: PendingList): void {
    const { sessionId } = this;
    const state = sessionId === null ? null : this.conversations.get(sessionId);
    const view = state === null ? null : this.viewer.of(state, pending.of(state.sessionId));
    const held = this.store.getState();
    if (held.sessionId !== sessionId || held.view !== view) this.store.setState({ sessionId, view });
  }
}
