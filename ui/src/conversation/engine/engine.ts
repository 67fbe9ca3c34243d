/**
 * The page's conversation engine: the one place where socket, REST, offline store and state meet.
 *
 * Owns the wiring and the page's coming and going. Owns no React: the hooks read `store` and call
 * `verbs`; what the server's events set in motion is in `reactions.ts`. Promises that the session on screen is the last one shown, and that the store changes
 * at most once a frame while an answer streams.
 */
import { sendMessage } from '../../api/sessions';
import { Drafts } from '../../offline/drafts';
import { LastPages } from '../../offline/last-pages';
import type { OfflineDatabase } from '../../offline/database';
import { Outbox } from '../../offline/outbox';
import type { NextFrame } from '../../realtime/frame-batch';
import { HeadWatch } from '../../realtime/head-watch';
import type { Clock, Dial, Random } from '../../realtime/ports';
import { SessionSocket } from '../../realtime/socket';
import { Conversations } from './conversations';
import { Follower } from './follower';
import { Maker } from '../sending/maker';
import { Opener } from './opener';
import { Reactions } from './reactions';
import { Screen } from './screen';
import { Sender } from '../sending/sender';
import { ServerFacts } from './server-facts';
import { SessionNewsBoard } from './session-news';
import { createChatStore, type ChatStore } from './store';
import { TurnCommands } from './turn-commands';
import { Verbs } from './verbs';

export interface EnginePorts {
  url: string;
  clientId: string;
  clock: Clock;
  random: Random;
  dial: Dial;
  nextFrame: NextFrame;
  database: OfflineDatabase;
  /** False when the browser says that it has no network. */
  hasNetwork(): boolean;
  /** Makes the session the one in the address bar. */
  goTo(sessionId: string): void;
}

export class ChatEngine {
  readonly store: ChatStore;
  readonly drafts: Drafts;
  readonly verbs: Verbs;
  readonly news = new SessionNewsBoard();
  readonly server: ServerFacts;
  private readonly maker = new Maker();
  private readonly conversations: Conversations;
  private readonly screen: Screen;
  private readonly follower: Follower;
  private readonly opener: Opener;
  private readonly sender: Sender;
  private readonly socket: SessionSocket;
  private readonly lastPages: LastPages;
  private readonly heads: HeadWatch;
  private readonly reactions: Reactions;

  constructor(ports: EnginePorts) {
    const { clock, random, database, url, clientId, dial } = ports;
    const outbox = new Outbox(database);
    this.store = createChatStore(clock.now());
    this.server = new ServerFacts(clock, this.store, ports.hasNetwork);
    this.drafts = new Drafts(database, clock);
    this.lastPages = new LastPages(database);
    this.conversations = new Conversations(ports.nextFrame, (ids) => this.changed(ids));
    this.screen = new Screen(this.store, this.conversations);
    this.socket = new SessionSocket({
      url, clientId, dial, clock, random,
      subscriptions: () => this.follower.greeting(),
      onEvent: (event) => this.reactions.receive(event),
      onStatus: (status) => this.reactions.lineChanged(status),
    });
    const { conversations, lastPages } = this;
    const isUnmade = (id: string) => this.maker.isMaking(id) || this.sender.pending.creates(id);
    this.follower = new Follower({
      clock, random, conversations, isUnmade,
      send: (command) => this.socket.send(command),
      wasMadeHere: (id) => this.maker.wasMadeHere(id),
    });
    this.opener = new Opener({ clock, random, conversations, lastPages, isUnmade, follower: this.follower });
    this.sender = new Sender({
      clock, random, outbox,
      limits: () => this.server.limits,
      mayGo: (id) => this.socket.online && this.follower.hasCaughtUp(id),
      transmit: ({ clientMsgId, sessionId, content }) =>
        this.socket.send({ type: 'message:sent', id: clientMsgId, payload: { sessionId, content, clientMsgId } }),
      post: async ({ clientMsgId, sessionId, content }) =>
        this.reactions.acked(await sendMessage(sessionId, { clientMsgId, content })),
      createSession: (id) => this.maker.make(id),
      sessionMade: (id) => this.sessionMade(id),
      sessionUnknown: (id) => this.opener.doubt(id),
      changed: () => this.screen.draw(this.sender.pending),
    });
    const { follower, opener, sender, server, news, store, drafts, maker } = this;
    this.heads = new HeadWatch(
      clock,
      (id) => follower.ownHead(id),
      () => follower.replay(),
    );
    const commands = new TurnCommands(
      (command) => this.socket.send(command),
      (stopping) => store.setState({ stopping }),
    );
    this.reactions = new Reactions({
      conversations, lastPages, follower, opener, sender, server, news, commands,
      heads: this.heads,
    });
    this.verbs = new Verbs({
      clock, outbox, store, drafts, news, maker, opener, sender, commands,
      serverNow: () => server.now(),
      show: (id) => this.show(id),
      goTo: (id) => ports.goTo(id),
      sessionMade: (id) => this.sessionMade(id),
    });
  }

  /** Connects if told to, and takes up what earlier visits left; settles when that is read. */
  async start(connect: boolean): Promise<void> {
    if (connect) this.socket.connect();
    await Promise.all([this.drafts.load(), this.sender.start()]);
    const { current } = this.opener;
    if (current !== null && this.sender.pending.creates(current)) this.opener.begin(current);
  }

  stop(): void {
    this.leavePage();
    this.heads.stop();
    this.socket.stop();
  }

  /** The page may be gone after this: what is only in memory is written down. */
  leavePage(): void {
    this.drafts.flush();
    this.opener.keeper.keepNow();
  }

  /** The page may have slept, or the network came back. */
  wake(): void {
    this.socket.wake();
    this.reactions.lineChanged(this.socket.status);
  }

  /** The browser says that it has no network: a line that seems to be up must prove it. */
  networkLost(): void {
    if (this.socket.online) this.socket.wake();
    this.reactions.lineChanged(this.socket.status);
  }

  retryNow(): void {
    this.socket.connect();
  }

  /** Puts a session on screen, or with null the welcome state. */
  show(sessionId: string | null): void {
    if (!this.opener.show(sessionId)) return;
    this.screen.turnTo(sessionId);
    this.screen.draw(this.sender.pending);
  }

  private sessionMade(sessionId: string): void {
    if (sessionId !== this.opener.current) return;
    this.follower.subscribe();
    this.opener.load(sessionId);
  }

  private changed(sessionIds: ReadonlySet<string>): void {
    const { current } = this.opener;
    for (const id of sessionIds) {
      const state = this.conversations.get(id);
      if (state?.epoch != null) this.sender.shown(id, state.epoch, state.head);
    }
    if (current !== null && sessionIds.has(current)) {
      this.opener.fulfil(current);
      if (this.conversations.get(current)?.line === 'live') this.sender.pump();
      this.opener.keeper.keepSoon();
    }
    this.screen.draw(this.sender.pending);
  }
}
