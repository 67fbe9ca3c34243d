/**
 * The sends that are under way, in order, and how they look in a transcript.
 *
 * Owns each send's state and the rule which may move next: the oldest of each session, because a
 * later one must not overtake it. Refused sends stand aside and hold nobody up.
 */
import type { OutboxItem } from '../../offline/database';
import type { PendingSend } from '../view';

export interface Entry {
  item: OutboxItem;
  state: 'waiting' | 'making' | 'sending' | 'acked' | 'refused';
  notBefore: number;
  tries: number;
  acked: { epoch: string; seq: number } | null;
  /** Stops waiting for the ack. */
  callOff(): void;
}

const NOTHING: readonly PendingSend[] = [];

export class PendingList {
  private entries: Entry[] = [];
  private shownAs = new Map<string, readonly PendingSend[]>();
  private readonly sends = new WeakMap<Entry, PendingSend>();

  add(item: OutboxItem): void {
    if (this.get(item.clientMsgId) !== null) return;
    const state = item.refusal === null ? 'waiting' : 'refused';
    this.entries.push({ item, state, notBefore: 0, tries: 0, acked: null, callOff: () => {} });
    this.entries.sort((a, b) => a.item.order - b.item.order);
    this.shownAs.delete(item.sessionId);
  }

  get(clientMsgId: string): Entry | null {
    return this.entries.find((entry) => entry.item.clientMsgId === clientMsgId) ?? null;
  }

  all(): readonly Entry[] {
    return [...this.entries];
  }

  /** Waiting sends that no earlier one of their session holds up. */
  next(): Entry[] {
    const blocked = new Set<string>();
    return this.entries.filter(({ item, state }) => {
      if (state === 'acked' || state === 'refused') return false;
      const free = state === 'waiting' && !blocked.has(item.sessionId);
      blocked.add(item.sessionId);
      return free;
    });
  }

  onTheWire(): number {
    return this.entries.filter((entry) => entry.state === 'sending').length;
  }

  /** Whether a send of this session must make it first. */
  creates(sessionId: string): boolean {
    return this.entries.some(({ item }) => item.sessionId === sessionId && item.createsSession);
  }

  update(entry: Entry, change: Partial<Entry>): void {
    entry.callOff();
    Object.assign(entry, { callOff: () => {} }, change);
    this.sends.delete(entry);
    this.shownAs.delete(entry.item.sessionId);
  }

  remove(clientMsgId: string): void {
    const entry = this.get(clientMsgId);
    if (entry === null) return;
    entry.callOff();
    this.entries = this.entries.filter((other) => other !== entry);
    this.shownAs.delete(entry.item.sessionId);
  }

  /** Drops acked sends that the log on screen contains, or that belong to a log that is gone. */
  dropShown(sessionId: string, epoch: string | null, head: number): boolean {
    const kept = this.entries.filter(
      ({ item, acked }) =>
        item.sessionId !== sessionId || acked === null || (acked.epoch === epoch && acked.seq > head),
    );
    if (kept.length === this.entries.length) return false;
    this.entries = kept;
    this.shownAs.delete(sessionId);
    return true;
  }

  /** What a session's transcript shows; the same list until something changes. */
  of(sessionId: string): readonly PendingSend[] {
    const held = this.shownAs.get(sessionId);
    if (held !== undefined) return held;
    const own = this.entries.filter((entry) => entry.item.sessionId === sessionId);
    const list = own.length === 0 ? NOTHING : own.map((entry) => this.shown(entry));
    this.shownAs.set(sessionId, list);
    return list;
  }

  private shown(entry: Entry): PendingSend {
    const held = this.sends.get(entry);
    if (held !== undefined) return held;
    const { clientMsgId, sessionId, content, createdAt, refusal } = entry.item;
    const state = entry.state === 'waiting' || entry.state === 'refused' ? entry.state : 'sending';
    const send: PendingSend = { clientMsgId, sessionId, content, createdAt, state };
    if (refusal !== null) send.error = refusal;
    this.sends.set(entry, send);
    return send;
  }
}
