import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { ConversationEvent } from '../wire/events';
import { reduce } from './reducer';
import { branch } from './rows';
import { emptyConversation, type ConversationState } from './state';
import { ModelSession, SESSION } from './testing';
import { Viewer } from './view';

/** Text with everything that takes more than one code unit, or more than one code point. */
const piece = fc.oneof(
  fc.constantFrom('é', '👍', '👩‍👩‍👧‍👦', '🏳️‍🌈', 'नमस्ते', '\n\n', '` `` ```', 'a'),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
);

type Step =
  | { do: 'ask' | 'stream' | 'reason'; text: string }
  | { do: 'start' | 'retry' }
  | { do: 'end'; status: 'complete' | 'failed' | 'cancelled' | 'interrupted' }
  | { do: 'branch'; pick: number }
  | { do: 'edit'; text: string; pick: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('ask' as const), text: piece }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('start' as const) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('stream' as const, 'reason' as const), text: piece }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      status: fc.constantFrom('complete' as const, 'failed' as const, 'cancelled' as const, 'interrupted' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('retry' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('branch' as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('edit' as const), text: piece, pick: fc.nat() }) },
);

function lived(steps: readonly Step[]): ModelSession {
  const model = new ModelSession();
  for (const move of steps) {
    const somewhere = 'pick' in move ? move.pick % (model.log.length + 1) : 0;
    if (move.do === 'ask') model.ask(move.text);
    else if (move.do === 'start') model.start();
    else if (move.do === 'stream') model.stream(move.text);
    else if (move.do === 'reason') model.stream(move.text, 'reasoning');
    else if (move.do === 'end') model.end(move.status);
    else if (move.do === 'retry') model.retry();
    else if (move.do === 'edit') model.ask(move.text, somewhere);
    else if (somewhere > 0) model.chooseBranch(somewhere);
  }
  return model;
}

/** A client that gets from the model what its state wants, as the engine would get it. */
class Client {
  state: ConversationState = emptyConversation(SESSION);

  constructor(
    private readonly model: ModelSession,
    private readonly pageSize: number,
  ) {}

  open(at: number): void {
    this.state = reduce(this.state, { type: 'history:newest', page: this.model.page(at, this.pageSize) });
    this.subscribe(at);
  }

  hear(event: ConversationEvent, at: number): void {
    this.state = reduce(this.state, event);
    this.fulfil(at);
  }

  reconnect(at: number): void {
    this.state = reduce(this.state, { type: 'line:off' });
    this.subscribe(at);
  }

  private subscribe(at: number): void {
    const { epoch, head } = this.state;
    this.state = reduce(this.state, { type: 'line:asked' });
    for (const event of this.model.replay(at, epoch, head)) this.state = reduce(this.state, event);
    this.fulfil(at);
  }

  private fulfil(at: number): void {
    if (this.state.wants === 'replay') this.subscribe(at);
    if (this.state.wants !== 'history') return;
    this.state = reduce(this.state, { type: 'history:newest', page: this.model.page(at, this.pageSize) });
    if (this.state.line === 'off') this.subscribe(at);
  }

  /** All that can be shown, scrolled up to the beginning. */
  seen(at: number) {
    for (;;) {
      const view = new Viewer().of(this.state, []);
      if (!view.hasOlder) return { ...view, head: this.state.head, leafSeq: this.state.leafSeq };
      const oldest = branch(this.state.rows, this.state.leafSeq)[0]?.seq;
      this.state = reduce(this.state, { type: 'history:older', page: this.model.page(at, this.pageSize, oldest) });
    }
  }
}

function expectSame(model: ModelSession, stale: Client, pages: number): void {
  const end = model.events.length;
  const fresh = new Client(model, pages);
  fresh.open(end);
  expect(stale.seen(end)).toEqual(fresh.seen(end));
}

const RUNS = { numRuns: 400 };
const steps = fc.array(step, { minLength: 1, maxLength: 60 });
const pageSize = fc.constantFrom(2, 5, Infinity);

describe('a stale state with the rest of the events equals a fresh one', () => {
  it('however early it was opened', () => {
    fc.assert(
      fc.property(steps, fc.nat(), pageSize, (moves, opened, size) => {
        const model = lived(moves);
        const start = opened % (model.events.length + 1);
        const stale = new Client(model, size);
        stale.open(start);
        model.events.slice(start).forEach((event, index) => stale.hear(event, start + index + 1));
        expectSame(model, stale, size);
      }),
      RUNS,
    );
  });

  it('through cuts of the line, anywhere and for any time', () => {
    const cuts = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 15 })), { maxLength: 4 });
    fc.assert(
      fc.property(steps, cuts, pageSize, (moves, outages, size) => {
        const model = lived(moves);
        const total = model.events.length;
        const deaf = new Set<number>();
        for (const [at, length] of outages) {
          for (let index = at % (total + 1); index < (at % (total + 1)) + length; index += 1) deaf.add(index);
        }
        const stale = new Client(model, size);
        stale.open(0);
        let cut = false;
        model.events.forEach((event, index) => {
          if (deaf.has(index)) {
            cut = true;
            return;
          }
          if (cut) stale.reconnect(index);
          cut = false;
          stale.hear(event, index + 1);
        });
        if (cut) stale.reconnect(total);
        expectSame(model, stale, size);
      }),
      RUNS,
    );
  });

  it('when events come twice, or late by one place', () => {
    const mischief = fc.array(fc.constantFrom('none', 'twice', 'swap'), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(steps, mischief, pageSize, (moves, tricks, size) => {
        const model = lived(moves);
        const stale = new Client(model, size);
        stale.open(0);
        const { events } = model;
        for (let index = 0; index < events.length; index += 1) {
          const event = events[index];
          const next = events[index + 1];
          const trick = tricks[index % tricks.length];
          if (event === undefined) continue;
          if (trick === 'swap' && next !== undefined && !bothNews(event, next)) {
            stale.hear(next, index + 2);
            stale.hear(event, index + 2);
            index += 1;
          } else {
            stale.hear(event, index + 1);
            if (trick === 'twice') stale.hear(event, index + 1);
          }
        }
        expectSame(model, stale, size);
      }),
      RUNS,
    );
  });
});

/** Two announcements of one head carry nothing that tells which is later; the server keeps their order. */
function bothNews(a: ConversationEvent, b: ConversationEvent): boolean {
  return a.type === 'session:updated' && b.type === 'session:updated';
}

it('a live text is always a prefix of what the attempt said', () => {
  fc.assert(
    fc.property(steps, fc.array(fc.nat({ max: 9 }), { minLength: 1 }), (moves, lost) => {
      const model = lived(moves);
      const client = new Client(model, Infinity);
      client.open(0);
      model.events.forEach((event, index) => {
        if (event.type === 'message:delta' && lost[index % lost.length] === 0) return;
        client.hear(event, index + 1);
        for (const answer of client.state.live) {
          const said = model.replay(index + 1, 'e1', 0).filter((one) => one.type === 'message:delta');
          const whole = said.find((one) => one.turnId === answer.turnId && one.kind === 'text')?.text ?? '';
          if (answer.status === 'running') expect(whole.startsWith(answer.text)).toBe(true);
        }
      });
    }),
    RUNS,
  );
});

it('an event that adds nothing leaves the state the same object', () => {
  fc.assert(
    fc.property(steps, (moves) => {
      const model = lived(moves);
      const client = new Client(model, Infinity);
      client.open(0);
      model.events.forEach((event, index) => client.hear(event, index + 1));
      const settled = client.state;
      for (const event of model.events) {
        if (event.type === 'session:updated' && event.summary.headSeq === settled.head) continue;
        client.hear(event, model.events.length);
      }
      expect(client.state).toBe(settled);
    }),
    RUNS,
  );
});
