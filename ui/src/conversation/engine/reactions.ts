/**
 * What each of the server's events sets in motion, and what a lost line does.
 *
 * Owns no state: every event is passed to the part that it concerns, and those of a conversation go on
 * to its reducer.
 */
import type { LastPages } from '../../offline/last-pages';
import type { HeadWatch } from '../../realtime/head-watch';
import type { SocketStatus } from '../../realtime/socket';
import type { MessageAck, Refusal, ServerEvent, Welcome } from '../../wire/events';
import type { Sender } from '../sending/sender';
import type { Conversations } from './conversations';
import type { Follower } from './follower';
import type { Opener } from './opener';
import type { ServerFacts } from './server-facts';
import type { SessionNewsBoard } from './session-news';
import type { TurnCommands } from './turn-commands';

export interface ReactingParts {
  conversations: Conversations;
  lastPages: LastPages;
  follower: Follower;
  opener: Opener;
  sender: Sender;
  server: ServerFacts;
  news: SessionNewsBoard;
  heads: HeadWatch;
  commands: TurnCommands;
}

export class Reactions {
  constructor(private readonly parts: ReactingParts) {}

  receive(event: ServerEvent): void {
    switch (event.type) {
      case 'welcome':
        return this.welcomed(event);
      case 'pong':
        return this.parts.heads.compare(event.heads);
      case 'message:ack':
        return this.acked(event);
      case 'error':
        return this.refused(event);
      case 'server:status':
        this.parts.server.storageIs(event.storage);
        if (event.storage === 'ok') this.parts.sender.release();
        return;
      case 'server:draining':
        return;
      case 'session:created':
      case 'session:updated':
      case 'session:deleted':
        this.parts.news.tell(event);
        if (event.type === 'session:deleted') void this.parts.lastPages.remove(event.sessionId);
        break;
      case 'turn:ended':
        this.parts.commands.ended(event.turnId);
        break;
      case 'message:received':
        if (event.message.status !== undefined) this.parts.commands.ended(event.message.turnId);
        break;
    }
    this.parts.conversations.receive(event);
    if (event.type === 'sync:caught_up') this.parts.conversations.flush();
  }

  private welcomed(welcome: Welcome): void {
    this.parts.server.welcomed(welcome);
    this.parts.opener.welcomed();
    this.parts.sender.release();
    this.parts.commands.sayAgain();
    this.parts.news.tell({ type: 'reconnected' });
  }

  /** A send is stored: it is in the log, and the log is on screen soon or asked for again. */
  acked(ack: MessageAck): void {
    const { sender, opener, heads } = this.parts;
    sender.acked(ack);
    if (ack.sessionId !== opener.current) sender.shown(ack.sessionId, null, 0);
    else heads.compare({ [ack.sessionId]: ack.seq });
  }

  private refused(refusal: Refusal): void {
    const { sessionId, turnId, clientMsgId } = refusal;
    if (turnId !== null) {
      this.parts.commands.refused(turnId);
      const unknown = refusal.code === 'not_found';
      if (sessionId !== null) this.parts.conversations.apply(sessionId, { type: 'retry:refused', turnId, unknown });
    } else if (clientMsgId !== null) this.parts.sender.refused(refusal);
    else if (sessionId !== null) this.parts.follower.refused(sessionId, refusal);
  }

  lineChanged(status: SocketStatus): void {
    if (!this.parts.server.lineIs(status)) return;
    this.parts.follower.lineLost();
    this.parts.sender.lineLost();
  }
}
