import { describe, expect, it } from 'vitest';
import { routeOf } from './use-route';

describe('the URL', () => {
  it('is the welcome state or a session', () => {
    expect(routeOf('/')).toEqual({ kind: 'welcome' });
    expect(routeOf('/s/boat_1-2')).toEqual({ kind: 'session', sessionId: 'boat_1-2' });
  });

  it.each(['/s/', '/s/a/b', '/s/a b', '/s/%2e%2e', `/s/${'a'.repeat(65)}`, '/other'])('is unknown as %s', (path) => {
    expect(routeOf(path)).toEqual({ kind: 'unknown' });
  });
});
