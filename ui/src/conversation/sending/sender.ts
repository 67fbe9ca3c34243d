/**
 * Gets every send to the server, whatever happens in between.
 *
 * Owns what is pending: oldest first, one at a time within a session so that order holds, no more on
 * the wire than the server allows, again after a lost line or a missing ack. Repeating is safe because
 * the server knows a send by its `clientMsgId`. A refusal that time cannot mend stays, with its reason,
 * until a person resends or discards it.
 */
import { failureOf } from '../../api/client';
import { backoffMs } from '../../realtime/backoff';
import type { Clock, Random } from '../../realtime/ports';
import type { OutboxItem } from '../../offline/database';
import type { Outbox } from '../../offline/outbox';
import type { Limits, MessageAck, Refusal } from '../../wire/events';
import type { WireError } from '../../wire/types';
import { PendingList, type Entry } from './pending';
import { fitsFrame, isTooLong, TOO_LONG } from './sizes';

const ACK_WITHIN_MS = 10_000;
/** A browser's database may hang; what it keeps then goes out on another visit. */
const LOAD_WITHIN_MS = 2_000;
const MENDED_BY_TIME = new Set(['storage_unavailable', 'storage_full', 'read_only', 'rate_limited', 'draining']);
/** These concern every send, not only the one that was refused. */
const CONCERNS_ALL = new Set(['storage_unavailable', 'rate_limited', 'draining']);

export interface SenderPorts {
  clock: Clock;
  random: Random;
  outbox: Outbox;
  limits(): Limits | null;
  /** Whether the line is up and, for the session on screen, has caught up. */
  mayGo(sessionId: string): boolean;
  /** Whether it went out as a frame; the ack comes over the socket too. */
  transmit(item: OutboxItem): boolean;
  /** Posts what is too large for a frame; settles when the ack has been taken, raises `ApiError`. */
  post(item: OutboxItem): Promise<void>;
  /** Settles when the server has the session. */
  createSession(sessionId: string): Promise<void>;
  /** The session exists now, and its first send is about to go. */
  sessionMade(sessionId: string): void;
  /** A send was refused because the server has no such session. */
  sessionUnknown(sessionId: string): void;
  changed(): void;
}

export class Sender {
  readonly pending = new PendingList();
  private opened = false;
  private heldUntil = 0;
  private callOffPump = () => {};

  constructor(private readonly ports: SenderPorts) {}

  /** Takes up what earlier visits left; until it is there, nothing newer overtakes it. */
  async start(): Promise<void> {
    const { clock, outbox } = this.ports;
    const callOff = clock.after(LOAD_WITHIN_MS, () => this.open());
    for (const item of await outbox.load(clock.now())) this.pending.add(item);
    callOff();
    this.ports.changed();
    this.open();
  }

  add(item: OutboxItem): void {
    this.ports.outbox.put(item);
    this.pending.add(item);
    this.ports.changed();
    this.pump();
  }

  /** Puts on the wire whatever may go now. */
  pump(): void {
    const { clock } = this.ports;
    if (!this.opened) return;
    this.callOffPump();
    let wakeAt = Infinity;
    for (const entry of this.pending.next()) {
      if (entry.state !== 'waiting') continue;
      const dueAt = Math.max(entry.notBefore, this.heldUntil);
      if (dueAt > clock.now()) wakeAt = Math.min(wakeAt, dueAt);
      else this.advance(entry);
    }
    if (wakeAt < Infinity) this.callOffPump = clock.after(wakeAt - clock.now(), () => this.pump());
  }

  acked({ clientMsgId, epoch, seq }: MessageAck): void {
    const entry = this.pending.get(clientMsgId);
    if (entry === null) return;
    this.ports.outbox.remove(clientMsgId);
    this.pending.update(entry, { state: 'acked', acked: { epoch, seq } });
    this.ports.changed();
    this.pump();
  }

  /** The log is on screen up to here: acked sends are seen as messages now. */
  shown(sessionId: string, epoch: string | null, head: number): void {
    if (this.pending.dropShown(sessionId, epoch, head)) this.ports.changed();
  }

  /** Whether the refusal answered a send. */
  refused(refusal: Refusal): boolean {
    const entry = refusal.clientMsgId === null ? null : this.pending.get(refusal.clientMsgId);
    if (entry === null || entry.state !== 'sending') return false;
    if (refusal.retryable || MENDED_BY_TIME.has(refusal.code)) {
      const wait = refusal.retryAfterMs ?? this.patience(entry);
      const again = this.ports.clock.now() + wait;
      if (CONCERNS_ALL.has(refusal.code)) this.heldUntil = again;
      this.postpone(entry, again);
    } else {
      this.refuse(entry, { code: refusal.code, message: refusal.message });
    }
    return true;
  }

  /** The line broke: what was not acked goes again. */
  lineLost(): void {
    for (const entry of this.pending.all()) {
      if (entry.state === 'sending') this.pending.update(entry, { state: 'waiting', notBefore: 0 });
    }
    this.ports.changed();
  }

  /** What held sends back is over. */
  release(): void {
    this.heldUntil = 0;
    for (const entry of this.pending.all()) {
      if (entry.state === 'waiting') this.pending.update(entry, { notBefore: 0 });
    }
    this.pump();
  }

  discard(clientMsgId: string): void {
    this.ports.outbox.remove(clientMsgId);
    this.pending.remove(clientMsgId);
    this.ports.changed();
    this.pump();
  }

  resend(clientMsgId: string): void {
    const entry = this.pending.get(clientMsgId);
    if (entry === null || entry.state !== 'refused') return;
    const item = { ...entry.item, refusal: null };
    this.ports.outbox.put(item);
    this.pending.update(entry, { item, state: 'waiting', notBefore: 0 });
    this.ports.changed();
    this.pump();
  }

  private open(): void {
    this.opened = true;
    this.pump();
  }

  private advance(entry: Entry): void {
    const { item } = entry;
    const { ports } = this;
    const limits = ports.limits();
    if (isTooLong(item, limits)) this.refuse(entry, TOO_LONG);
    else if (item.createsSession) this.makeSession(entry);
    else if (ports.mayGo(item.sessionId) && this.pending.onTheWire() < (limits?.inflight ?? 1)) {
      if (!fitsFrame(item, limits)) return this.post(entry);
      if (!ports.transmit(item)) return;
      const callOff = ports.clock.after(ACK_WITHIN_MS, () => this.postpone(entry, 0));
      this.pending.update(entry, { state: 'sending', tries: entry.tries + 1, callOff });
      ports.changed();
    }
  }

  private post(entry: Entry): void {
    const { item } = entry;
    this.pending.update(entry, { state: 'sending', tries: entry.tries + 1 });
    this.ports.changed();
    this.ports.post(item).catch((error: unknown) => {
      const { code, message, retryable } = failureOf(error);
      const { clientMsgId, sessionId } = item;
      this.refused({ type: 'error', code, message, retryable, clientMsgId, sessionId, turnId: null, retryAfterMs: null });
    });
  }

  private makeSession(entry: Entry): void {
    this.pending.update(entry, { state: 'making' });
    this.ports.changed();
    this.ports.createSession(entry.item.sessionId).then(
      () => {
        if (entry.state === 'making') this.pending.update(entry, { state: 'waiting', notBefore: 0 });
        this.sessionIsMade(entry.item.sessionId);
      },
      (error: unknown) => {
        const { code, message, retryable } = failureOf(error);
        if (!retryable) this.refuse(entry, { code, message });
        else this.postpone(entry, this.ports.clock.now() + this.patience(entry));
      },
    );
  }

  /** No send of the session need make it any more, whatever became of the one that did. */
  private sessionIsMade(sessionId: string): void {
    for (const entry of this.pending.all()) {
      if (entry.item.sessionId !== sessionId || !entry.item.createsSession) continue;
      const item = { ...entry.item, createsSession: false };
      this.ports.outbox.put(item);
      this.pending.update(entry, { item });
    }
    this.ports.sessionMade(sessionId);
    this.pump();
  }

  private postpone(entry: Entry, notBefore: number): void {
    if (this.pending.get(entry.item.clientMsgId) === null) return;
    this.pending.update(entry, { state: 'waiting', notBefore, tries: entry.tries + 1 });
    this.ports.changed();
    this.pump();
  }

  private refuse(entry: Entry, refusal: WireError): void {
    const item = { ...entry.item, refusal };
    this.ports.outbox.put(item);
    this.pending.update(entry, { item, state: 'refused' });
    this.ports.changed();
    if (refusal.code === 'not_found') this.ports.sessionUnknown(item.sessionId);
    this.pump();
  }

  private patience(entry: Entry): number {
    return 500 + backoffMs(entry.tries, 'soon', this.ports.random);
  }
}
