/**
 * What a transcript shows, computed from one session's state.
 *
 * Owns the order of items, their stable keys and what can be done about an answer that is broken or
 * missing (the rule is `amends.ts`). Owns no state and touches no network. Promises that an item whose content did not change keeps its identity, so
 * that a memoised row is not rendered again while another one streams.
 */
import type { Message, WireError } from '../wire/types';
import { amendsOf, NO_AMENDS, type Amends } from './amends';
import { inReadingOrder, type Entry } from './order';
import { branch, goesOn } from './rows';
import type { ConversationState, LiveAnswer } from './state';

export interface LiveTurn {
  turnId: string;
  attempt: number;
  inReplyTo: number;
  text: string;
  reasoning: string;
  phase: 'queued' | 'waiting' | 'streaming';
}

export interface PendingSend {
  clientMsgId: string;
  sessionId: string;
  content: string;
  createdAt: number;
  state: 'sending' | 'waiting' | 'refused';
  error?: WireError;
}

export type TranscriptItem =
  | {
      kind: 'message';
      key: string;
      message: Message;
      retryTurnId: string | null;
      /** The question that can be asked once more at the end, by its `seq`; null or absent if none can. */
      askAgainSeq?: number | null;
    }
  | { kind: 'live'; key: string; turn: LiveTurn }
  | { kind: 'pending'; key: string; pending: PendingSend };

export interface ConversationView {
  sessionId: string;
  phase: 'loading' | 'ready' | 'missing' | 'error';
  error: WireError | null;
  items: TranscriptItem[];
  hasOlder: boolean;
  loadingOlder: boolean;
  runningTurnId: string | null;
  stale: boolean;
}

type MessageItem = Extract<TranscriptItem, { kind: 'message' }>;
type LiveItem = Extract<TranscriptItem, { kind: 'live' }>;
type PendingItem = Extract<TranscriptItem, { kind: 'pending' }>;

/** Computes one session's view again and again, keeping what did not change. */
export class Viewer {
  private view: ConversationView | null = null;
  private state: ConversationState | null = null;
  private pending: readonly PendingSend[] = [];
  private path: Message[] = [];
  private entries: Entry[] = [];
  private readonly messageItems = new WeakMap<Message, MessageItem>();
  private readonly liveItems = new WeakMap<LiveAnswer, LiveItem>();
  private readonly pendingItems = new WeakMap<PendingSend, PendingItem>();

  of(state: ConversationState, pending: readonly PendingSend[]): ConversationView {
    if (this.view !== null && this.state === state && this.pending === pending) return this.view;
    const items = this.view !== null && this.onlyTextGrew(state, pending)
      ? this.grown(this.view.items, state.live)
      : this.rebuilt(state, pending);
    this.state = state;
    this.pending = pending;
    const view: ConversationView = {
      sessionId: state.sessionId,
      phase: state.phase,
      error: state.error,
      items,
      hasOlder: goesOn(this.path, state.topSeq),
      loadingOlder: state.loadingOlder,
      runningTurnId: runningTurn(state.live)?.turnId ?? null,
      stale: state.stale,
    };
    this.view = sameView(this.view, view) ?? view;
    return this.view;
  }

  /** The case of nearly every frame while an answer streams: no item comes, goes or moves. */
  private onlyTextGrew(state: ConversationState, pending: readonly PendingSend[]): boolean {
    const held = this.state;
    return (
      held !== null &&
      this.pending === pending &&
      held.rows === state.rows &&
      held.leafSeq === state.leafSeq &&
      held.stale === state.stale &&
      held.unknownTurns === state.unknownTurns &&
      held.live.length === state.live.length &&
      held.live.every((answer, index) => {
        const now = state.live[index];
        return now !== undefined && answer.turnId === now.turnId && answer.attempt === now.attempt;
      })
    );
  }

  private grown(held: TranscriptItem[], live: readonly LiveAnswer[]): TranscriptItem[] {
    const running = runningTurn(live);
    let items = held;
    for (const answer of live) {
      const item = this.liveItem(answer, running);
      const at = this.entries.findLastIndex(
        (entry) => entry.kind === 'live' && entry.turnId === answer.turnId,
      );
      if (at === -1 || items[at] === item) continue;
      if (items === held) items = [...held];
      items[at] = item;
    }
    return items;
  }

  private rebuilt(state: ConversationState, pending: readonly PendingSend[]): TranscriptItem[] {
    if (this.state?.rows !== state.rows || this.state.leafSeq !== state.leafSeq) {
      this.path = branch(state.rows, state.leafSeq);
    }
    this.entries = inReadingOrder(this.path, state.live);
    const stored = new Set(this.path.map((message) => message.clientMsgId));
    const waiting = pending.filter((send) => !stored.has(send.clientMsgId));
    const running = runningTurn(state.live);
    const amends = amendsOf(this.entries, waiting, state);
    const items: TranscriptItem[] = [];
    for (const entry of this.entries) {
      if (entry.kind === 'row') {
        items.push(this.messageItem(entry.message, amends.get(entry.message) ?? NO_AMENDS));
      } else {
        const answer = state.live.find((candidate) => candidate.turnId === entry.turnId);
        if (answer !== undefined) items.push(this.liveItem(answer, running));
      }
    }
    for (const send of waiting) items.push(this.pendingItem(send));
    const held = this.view?.items;
    return held !== undefined && sameItems(held, items) ? held : items;
  }

  private messageItem(message: Message, { retryTurnId, askAgainSeq }: Amends): MessageItem {
    const held = this.messageItems.get(message);
    if (held?.retryTurnId === retryTurnId && held.askAgainSeq === askAgainSeq) return held;
    const item: MessageItem = { kind: 'message', key: keyOf(message), message, retryTurnId, askAgainSeq };
    this.messageItems.set(message, item);
    return item;
  }

  private liveItem(answer: LiveAnswer, running: LiveAnswer | null): LiveItem {
    const phase = phaseOf(answer, running);
    const held = this.liveItems.get(answer);
    if (held !== undefined && held.turn.phase === phase) return held;
    const { turnId, attempt, inReplyTo, text, reasoning } = answer;
    const turn: LiveTurn = { turnId, attempt, inReplyTo, text, reasoning, phase };
    const item: LiveItem = { kind: 'live', key: `a:${turnId}:${attempt}`, turn };
    this.liveItems.set(answer, item);
    return item;
  }

  private pendingItem(send: PendingSend): PendingItem {
    const held = this.pendingItems.get(send);
    if (held !== undefined) return held;
    const item: PendingItem = { kind: 'pending', key: `u:${send.clientMsgId}`, pending: send };
    this.pendingItems.set(send, item);
    return item;
  }
}

/** A user message keeps the key of the send that it was, an answer that of its live turn. */
function keyOf(message: Message): string {
  if (message.role === 'user' && message.clientMsgId !== undefined) return `u:${message.clientMsgId}`;
  if (message.role === 'assistant' && message.turnId !== undefined && message.status !== undefined) {
    return `a:${message.turnId}:${message.attempt ?? 1}`;
  }
  return `m:${message.id}`;
}

/** The turn that Stop means: the one that runs, else the next to run. */
function runningTurn(live: readonly LiveAnswer[]): LiveAnswer | null {
  return (
    live.find((answer) => answer.status === 'running') ??
    live.find((answer) => answer.status === 'queued') ??
    null
  );
}

function phaseOf(answer: LiveAnswer, running: LiveAnswer | null): LiveTurn['phase'] {
  if (answer.text !== '' || answer.reasoning !== '') return 'streaming';
  return answer.status === 'queued' && running !== answer ? 'queued' : 'waiting';
}

function sameItems(held: readonly TranscriptItem[], items: readonly TranscriptItem[]): boolean {
  return held.length === items.length && held.every((item, index) => item === items[index]);
}

function sameView(held: ConversationView | null, view: ConversationView): ConversationView | null {
  if (held === null) return null;
  const keys = Object.keys(view) as (keyof ConversationView)[];
  return keys.every((key) => held[key] === view[key]) ? held : null;
}
