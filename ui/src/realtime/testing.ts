/**
 * Test doubles of the realtime seams: a clock that moves when told to, and a server on the other end of
 * the line that a test speaks for.
 */
import { vi } from 'vitest';

import type { ClientCommand } from '../wire/events';
import { isRecord, record, text, type Json } from '../wire/fields';
import type { Clock, Dial, WireHandlers } from './ports';

export class ManualClock implements Clock {
  private time = 1_000_000;
  private timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.time + ms, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  /** Lets time pass, with everything that falls due on the way, in order. */
  advance(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const due = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.timers = this.timers.filter((other) => other !== due);
      this.time = Math.max(this.time, due.at);
      due.run();
    }
    this.time = end;
  }
}

/** One dialled connection as the server sees it. */
export class ServerEnd {
  readonly heard: Json[] = [];
  closed = false;

  constructor(
    readonly url: string,
    readonly protocol: string,
    private readonly client: WireHandlers,
  ) {}

  accept(): void {
    this.client.open();
  }

  say(type: string, payload: Json = {}, frame: Json = {}): void {
    this.client.frame(JSON.stringify({ type, payload, ...frame }));
  }

  sayRaw(data: string): void {
    this.client.frame(data);
  }

  drop(code: number): void {
    this.closed = true;
    this.client.closed(code);
  }

  hear(data: string): void {
    const frame: unknown = JSON.parse(data);
    if (isRecord(frame)) this.heard.push(frame);
  }

  /** The payloads of the commands of a type, oldest first. */
  payloads(type: ClientCommand['type']): Json[] {
    return this.heard
      .filter((frame) => text(frame, 'type') === type)
      .map((frame) => record(frame, 'payload') ?? {});
  }

  welcome(payload: Json = {}): void {
    this.accept();
    this.say('welcome', { v: 1, connId: 'c', serverTime: 5_000_000, heartbeatMs: 20_000, storage: 'ok', ...payload });
  }
}

/** Where a test's connections arrive. */
export class FakeServer {
  readonly ends: ServerEnd[] = [];

  readonly dial: Dial = (url, protocol, handlers) => {
    const end = new ServerEnd(url, protocol, handlers);
    this.ends.push(end);
    return { send: (data) => end.hear(data), close: () => (end.closed = true) };
  };

  get end(): ServerEnd {
    const last = this.ends.at(-1);
    if (last === undefined) throw new Error('nobody has dialled');
    return last;
  }
}

/** Tries a check until it passes, with the patience that a busy machine needs. */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 10_000, interval: 5 });
}
