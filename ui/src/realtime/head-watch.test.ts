import { expect, it } from 'vitest';

import { HeadWatch } from './head-watch';
import { ManualClock } from './testing';

function watching(own: Record<string, number>) {
  const clock = new ManualClock();
  const behind: string[] = [];
  const watch = new HeadWatch(clock, (id) => own[id] ?? null, (id) => behind.push(id));
  return { clock, watch, behind };
}

it('reports a session whose head stays ahead for two seconds, once', () => {
  const { clock, watch, behind } = watching({ s: 4 });
  watch.compare({ s: 5, unknown: 9 });
  watch.compare({ s: 5 });
  clock.advance(1_999);
  expect(behind).toEqual([]);
  clock.advance(1);
  expect(behind).toEqual(['s']);
});

it('says nothing of a head that was reached in the meantime', () => {
  const own = { s: 4 };
  const { clock, watch, behind } = watching(own);
  watch.compare({ s: 5 });
  own.s = 5;
  clock.advance(2_000);
  expect(behind).toEqual([]);
});
