/**
 * What a person can do to conversations.
 *
 * Each verb shows its effect before it returns and never waits for the network, but for `create` and
 * `loadOlder`, which settle when the server has answered.
 */
import type { Drafts } from '../../offline/drafts';
import type { Outbox } from '../../offline/outbox';
import type { Clock } from '../../realtime/ports';
import { newId } from '../../wire/ids';
import type { Maker } from '../sending/maker';
import type { Opener } from './opener';
import type { Sender } from '../sending/sender';
import type { SessionNewsBoard } from './session-news';
import type { ChatStore } from './store';
import type { TurnCommands } from './turn-commands';

export interface VerbParts {
  clock: Clock;
  store: ChatStore;
  drafts: Drafts;
  outbox: Outbox;
  opener: Opener;
  sender: Sender;
  maker: Maker;
  commands: TurnCommands;
  news: SessionNewsBoard;
  serverNow(): number;
  show(sessionId: string | null): void;
  /** Makes the session the one in the address bar. */
  goTo(sessionId: string): void;
  sessionMade(sessionId: string): void;
}

const LONE_SURROGATE = /\p{Surrogate}/gu;

export class Verbs {
  constructor(private readonly parts: VerbParts) {}

  send(content: string): void {
    if (content.trim() === '') return;
    const { clock, drafts, opener, outbox, sender, maker } = this.parts;
    const from = opener.current;
    const sessionId = from ?? this.begin(content);
    if (drafts.get(from).trim() === content.trim()) drafts.clear(from);
    sender.add({
      clientMsgId: newId(clock.now()),
      sessionId,
      content: content.replace(LONE_SURROGATE, '\uFFFD'),
      createdAt: this.parts.serverNow(),
      order: outbox.nextOrder(clock.now()),
      createsSession: from === null || maker.isMaking(sessionId),
      refusal: null,
    });
    if (from === null) this.goTo(sessionId);
  }

  /** Makes a session and goes to it at once; raises `ApiError` if the server will not have it. */
  async create(): Promise<string> {
    const { maker, news } = this.parts;
    const sessionId = this.begin('');
    const made = maker.make(sessionId);
    this.goTo(sessionId);
    try {
      await made;
    } catch (error) {
      news.tell({ type: 'session:unmade', sessionId });
      throw error;
    }
    this.parts.sessionMade(sessionId);
    return sessionId;
  }

  cancel(): void {
    const { view } = this.parts.store.getState();
    if (view === null || view.runningTurnId === null) return;
    this.parts.commands.give('turn:cancel', view.sessionId, view.runningTurnId, this.newId());
  }

  retry(turnId: string): void {
    const { current } = this.parts.opener;
    if (current === null) return;
    this.parts.opener.expectRetry(turnId);
    this.parts.commands.give('turn:retry', current, turnId, this.newId());
  }

  /**
   * Sends a question's text once more, as a new message at the end. Does nothing unless the transcript
   * offers it, which it does no more once the text is on its way: a second click sends nothing.
   */
  askAgain(questionSeq: number): void {
    const items = this.parts.store.getState().view?.items ?? [];
    const messages = items.filter((item) => item.kind === 'message');
    const question = messages.find(({ message }) => message.seq === questionSeq);
    if (question !== undefined && messages.some((item) => item.askAgainSeq === questionSeq)) {
      this.send(question.message.content);
    }
  }

  loadOlder(): Promise<void> {
    return this.parts.opener.older();
  }

  reload(): void {
    const { current } = this.parts.opener;
    if (current !== null) this.parts.opener.load(current, true);
  }

  discardPending(clientMsgId: string): void {
    this.parts.sender.discard(clientMsgId);
  }

  resendPending(clientMsgId: string): void {
    this.parts.sender.resend(clientMsgId);
  }

  private newId(): string {
    return newId(this.parts.clock.now());
  }

  /** A new session's id, after the lists have heard of it. */
  private begin(content: string): string {
    const id = this.newId();
    const now = this.parts.serverNow();
    const title = content.trim().split(/\s+/).join(' ').slice(0, 60);
    this.parts.news.tell({
      type: 'session:begun',
      summary: {
        id,
        title,
        createdAt: now,
        lastActivity: now,
        messageCount: content === '' ? 0 : 1,
        pinned: false,
        epoch: '',
        headSeq: 0,
        leafSeq: 0,
      },
    });
    return id;
  }

  private goTo(sessionId: string): void {
    this.parts.show(sessionId);
    this.parts.goTo(sessionId);
  }
}
