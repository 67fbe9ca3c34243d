/**
 * A small server of one session, for tests: it keeps a log, lets turns run, and says every event that a
 * real one would, together with what it would answer at that moment to a load or a subscription.
 */
import type { ConversationEvent, MessageDelta, SessionUpdated } from '../wire/events';
import type { ActiveTurn, HistoryPage, Message, MessageStatus } from '../wire/types';
import { branch } from './rows';

export const SESSION = 's';

interface RunningTurn extends ActiveTurn {
  text: string;
  reasoning: string;
}

/** What the server held when it had said so many events. */
interface Moment {
  epoch: string;
  log: Message[];
  leafSeq: number;
  turns: RunningTurn[];
}

export class ModelSession {
  readonly events: ConversationEvent[] = [];
  private now: Moment = { epoch: 'e1', log: [], leafSeq: 0, turns: [] };
  private readonly moments: Moment[] = [];
  private turnCount = 0;

  constructor() {
    this.moments.push(structuredClone(this.now));
  }

  get log(): readonly Message[] {
    return this.now.log;
  }

  get running(): RunningTurn | null {
    return this.now.turns.find((turn) => turn.status === 'running') ?? null;
  }

  ask(content: string, parentSeq = this.now.leafSeq): void {
    this.turnCount += 1;
    const turnId = `t${this.turnCount}`;
    const message = this.append({ role: 'user', content, parentSeq, turnId, clientMsgId: `c${this.turnCount}` });
    this.now.turns.push({
      turnId,
      attempt: 1,
      inReplyTo: message.seq,
      status: 'queued',
      text: '',
      reasoning: '',
    });
    this.now.leafSeq = message.seq;
    this.say({ type: 'message:received', sessionId: SESSION, epoch: this.now.epoch, message });
    this.sayUpdated();
  }

  start(): void {
    const next = this.running === null ? this.now.turns.find((turn) => turn.status === 'queued') : undefined;
    if (next === undefined) return;
    next.status = 'running';
    const { turnId, attempt, inReplyTo } = next;
    this.say({ type: 'turn:started', sessionId: SESSION, turnId, attempt, inReplyTo });
  }

  stream(text: string, kind: 'text' | 'reasoning' = 'text'): void {
    const turn = this.running;
    if (turn === null || text === '') return;
    const off = turn[kind].length;
    turn[kind] += text;
    const { turnId, attempt } = turn;
    this.say({ type: 'message:delta', sessionId: SESSION, turnId, attempt, off, text, kind, snapshot: false });
  }

  end(status: MessageStatus): void {
    const turn = this.running;
    if (turn === null) return;
    const path = branch(this.now.log, this.now.leafSeq);
    const follows = path.some((row) => row.seq === turn.inReplyTo);
    const parentSeq = follows ? this.now.leafSeq : turn.inReplyTo;
    const { turnId, attempt } = turn;
    const message = this.append({ role: 'assistant', content: turn.text, parentSeq, turnId, attempt, status });
    if (follows) this.now.leafSeq = message.seq;
    this.now.turns = this.now.turns.filter((other) => other !== turn);
    this.say({ type: 'message:received', sessionId: SESSION, epoch: this.now.epoch, message });
    this.say({
      type: 'turn:ended',
      sessionId: SESSION,
      turnId,
      attempt,
      status,
      reason: null,
      message: null,
      retryable: false,
      usage: null,
    });
    this.sayUpdated();
  }

  retry(): void {
    const last = this.now.log.findLast((row) => row.status !== undefined && row.status !== 'complete');
    if (last?.turnId === undefined || this.now.turns.length > 0) return;
    const asked = this.now.log.find((row) => row.turnId === last.turnId && row.role === 'user');
    if (asked === undefined) return;
    this.now.turns.push({
      turnId: last.turnId,
      attempt: (last.attempt ?? 1) + 1,
      inReplyTo: asked.seq,
      status: 'queued',
      text: '',
      reasoning: '',
    });
    this.now.leafSeq = last.parentSeq;
    this.sayUpdated();
    this.start();
  }

  chooseBranch(leafSeq: number): void {
    this.now.leafSeq = leafSeq;
    this.sayUpdated();
  }

  /** A page as REST would give it after so many events: the newest, or what is above a message. */
  page(at: number, limit = Infinity, before?: number): HistoryPage {
    const { epoch, log, leafSeq, turns } = this.moment(at);
    const tip = before === undefined ? leafSeq : (log[before - 1]?.parentSeq ?? 0);
    const path = branch(log, tip);
    const messages = limit === Infinity ? path : path.slice(-limit);
    return {
      sessionId: SESSION,
      messages,
      hasMore: messages.length < path.length,
      cursor: { epoch, seq: log.length },
      leafSeq,
      activeTurns: turns.map(({ turnId, attempt, inReplyTo, status }) => ({ turnId, attempt, inReplyTo, status })),
    };
  }

  /** What a subscription brings that is made after so many events. */
  replay(at: number, epoch: string | null, after: number): ConversationEvent[] {
    const { epoch: own, log, leafSeq, turns } = this.moment(at);
    const recovered = (epoch === own || epoch === null) && after <= log.length;
    const subscribed: ConversationEvent = {
      type: 'subscribed',
      sessionId: SESSION,
      epoch: own,
      head: log.length,
      leafSeq,
      recovered,
      reason: recovered ? null : 'epoch_mismatch',
      activeTurns: turns.map(({ turnId, attempt, inReplyTo, status }) => ({ turnId, attempt, inReplyTo, status })),
    };
    if (!recovered) return [subscribed];
    const missed = log
      .slice(after)
      .map((message): ConversationEvent => ({ type: 'message:received', sessionId: SESSION, epoch: own, message }));
    const running = turns.find((turn) => turn.status === 'running');
    const snapshots = running === undefined ? [] : [snapshot(running, 'reasoning'), snapshot(running, 'text')];
    return [
      subscribed,
      ...missed,
      ...snapshots.filter(({ text }) => text !== ''),
      { type: 'sync:caught_up', sessionId: SESSION, seq: log.length },
    ];
  }

  private moment(at: number): Moment {
    const moment = this.moments[at];
    if (moment === undefined) throw new Error(`nothing is known of moment ${at}`);
    return structuredClone(moment);
  }

  private append(fields: Partial<Message> & Pick<Message, 'role' | 'content' | 'parentSeq'>): Message {
    const seq = this.now.log.length + 1;
    const parts = [{ type: 'text' as const, text: fields.content }];
    const message: Message = { id: `m${seq}`, seq, parts, timestamp: seq * 1_000, ...fields };
    this.now.log.push(message);
    return message;
  }

  private say(event: ConversationEvent): void {
    this.events.push(event);
    this.moments.push(structuredClone(this.now));
  }

  private sayUpdated(): void {
    this.say(updated(this.now.log.length, this.now.leafSeq, this.now.epoch));
  }
}

export function updated(headSeq: number, leafSeq: number, epoch = 'e1'): SessionUpdated {
  return {
    type: 'session:updated',
    sessionId: SESSION,
    archived: false,
    summary: {
      id: SESSION,
      title: 'A talk',
      createdAt: 0,
      lastActivity: headSeq,
      messageCount: headSeq,
      pinned: false,
      epoch,
      headSeq,
      leafSeq,
    },
  };
}

function snapshot(turn: RunningTurn, kind: 'text' | 'reasoning'): MessageDelta {
  const { turnId, attempt } = turn;
  return { type: 'message:delta', sessionId: SESSION, turnId, attempt, off: 0, text: turn[kind], kind, snapshot: true };
}
