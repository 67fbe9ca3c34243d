/**
 * The page's one connection to the server.
 *
 * Owns dialling, the greeting, the heartbeat, the watchdog that notices a line gone silent, and
 * coming back after any loss. Owns no session state: it asks for the subscriptions to greet with
 * and hands every event on, in order. Promises that nothing is delivered from a connection that
 * it has given up, and that a line is never believed for longer than one heartbeat and a pong.
 */
import type { ClientCommand, ServerEvent } from '../wire/events';
import { decodeFrame } from '../wire/frames';
import type { Subscription } from '../wire/types';
import { backoffMs, reconnectAfter } from './backoff';
import type { Clock, Dial, Random, Wire } from './ports';

const PROTOCOL = 'sessions.v1';
const WELCOME_WITHIN_MS = 10_000;
const PONG_WITHIN_MS = 10_000;
const PONG_AFTER_WAKE_MS = 4_000;
const STUCK_DIAL_MS = 3_000;
/** A connection that lived this long starts the backoff afresh when it breaks. */
const SETTLED_MS = 10_000;

export interface SocketStatus {
  state: 'connecting' | 'online' | 'reconnecting' | 'stopped';
  since: number;
  nextRetryAt: number | null;
  draining: boolean;
}

export interface SocketOptions {
  url: string;
  clientId: string;
  dial: Dial;
  clock: Clock;
  random: Random;
  /** Asked at each greeting: where the page stands in what it shows. */
  subscriptions(): Subscription[];
  onEvent(event: ServerEvent): void;
  onStatus(status: SocketStatus): void;
}

export class SessionSocket {
  status: SocketStatus;
  private wire: Wire | null = null;
  private dialledAt = 0;
  private welcomedAt: number | null = null;
  private failures = 0;
  private comeBackMs: number | null = null;
  private heartbeatMs = 20_000;
  private callOffRetry = () => {};
  private callOffPing = () => {};
  private callOffWatch = () => {};

  constructor(private readonly options: SocketOptions) {
    this.status = { state: 'stopped', since: options.clock.now(), nextRetryAt: null, draining: false };
  }

  get online(): boolean {
    return this.welcomedAt !== null;
  }

  /** Dials now, whatever the backoff says; does nothing on a live connection. */
  connect(): void {
    if (this.wire === null) this.dial();
  }

  /** Hangs up until `connect` is called. */
  stop(): void {
    this.hangUp();
    this.callOffRetry();
    this.setStatus({ state: 'stopped', nextRetryAt: null, draining: false });
  }

  /** The page may have slept: check the line, or dial at once. */
  wake(): void {
    if (this.status.state === 'stopped') return;
    if (this.wire === null) this.dial();
    else if (this.online) this.ping(PONG_AFTER_WAKE_MS);
    else if (this.options.clock.now() - this.dialledAt > STUCK_DIAL_MS) this.redial();
  }

  /** Whether the command went out; nothing goes before the server's welcome. */
  send(command: ClientCommand): boolean {
    if (this.wire === null || !this.online) return false;
    this.wire.send(JSON.stringify(command));
    return true;
  }

  private dial(): void {
    const { clock, dial, url } = this.options;
    this.callOffRetry();
    this.dialledAt = clock.now();
    const state = this.status.state === 'stopped' ? 'connecting' : this.status.state;
    this.setStatus({ state, nextRetryAt: null });
    const wire: Wire = dial(url, PROTOCOL, {
      open: () => {
        if (this.wire === wire) this.greet(wire);
      },
      frame: (text) => {
        if (this.wire === wire) this.receive(text);
      },
      closed: (code) => {
        if (this.wire === wire) this.lost(code);
      },
    });
    this.wire = wire;
    this.callOffWatch = clock.after(WELCOME_WITHIN_MS, () => this.lost(4408));
  }

  private redial(): void {
    this.hangUp();
    this.dial();
  }

  private greet(wire: Wire): void {
    const { clientId, subscriptions } = this.options;
    const hello: ClientCommand = { type: 'hello', payload: { v: 1, clientId, subs: subscriptions() } };
    wire.send(JSON.stringify(hello));
  }

  private receive(text: string): void {
    if (this.online) this.callOffWatch();
    const event = decodeFrame(text);
    if (event === null) return;
    if (event.type === 'welcome') {
      this.callOffWatch();
      this.welcomedAt = this.options.clock.now();
      this.heartbeatMs = event.heartbeatMs;
      this.comeBackMs = null;
      this.setStatus({ state: 'online', nextRetryAt: null, draining: false });
      this.schedulePing();
    } else if (event.type === 'server:draining') {
      this.comeBackMs = event.reconnectAfterMs;
      this.setStatus({ draining: true });
    }
    this.options.onEvent(event);
  }

  private schedulePing(): void {
    this.callOffPing();
    this.callOffPing = this.options.clock.after(this.heartbeatMs, () => this.ping(PONG_WITHIN_MS));
  }

  private ping(answerWithinMs: number): void {
    this.send({ type: 'ping', payload: { t: this.options.clock.now() } });
    this.callOffWatch();
    this.callOffWatch = this.options.clock.after(answerWithinMs, () => this.lost(4408));
    this.schedulePing();
  }

  private lost(code: number): void {
    const { clock, random } = this.options;
    const lived = this.welcomedAt === null ? 0 : clock.now() - this.welcomedAt;
    if (lived >= SETTLED_MS) this.failures = 0;
    this.hangUp();
    const manner = reconnectAfter(code);
    if (manner === 'stop') {
      this.setStatus({ state: 'stopped', nextRetryAt: null, draining: false });
      return;
    }
    const delay = (this.comeBackMs ?? 0) + backoffMs(this.failures, manner, random);
    this.failures += 1;
    this.comeBackMs = null;
    this.callOffRetry = clock.after(delay, () => this.dial());
    this.setStatus({ state: 'reconnecting', nextRetryAt: clock.now() + delay });
  }

  private hangUp(): void {
    const { wire } = this;
    this.wire = null;
    this.welcomedAt = null;
    this.callOffPing();
    this.callOffWatch();
    wire?.close();
  }

  private setStatus(change: Partial<SocketStatus>): void {
    const state = change.state ?? this.status.state;
    const since = state === this.status.state ? this.status.since : this.options.clock.now();
    this.status = { ...this.status, ...change, since };
    this.options.onStatus(this.status);
  }
}
