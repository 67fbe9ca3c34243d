import { describe, expect, it } from 'vitest';

import type { ServerEvent } from '../wire/events';
import { SessionSocket, type SocketStatus } from './socket';
import { FakeServer, ManualClock } from './testing';

function dialled(random = 1) {
  const clock = new ManualClock();
  const server = new FakeServer();
  const events: ServerEvent[] = [];
  const statuses: SocketStatus[] = [];
  const socket = new SessionSocket({
    url: 'ws://here/ws',
    clientId: 'tab',
    dial: server.dial,
    clock,
    random: () => random,
    subscriptions: () => [{ sessionId: 's', epoch: 'e', seq: 7, turns: { t: { attempt: 1, off: 3 } } }],
    onEvent: (event) => events.push(event),
    onStatus: (status) => statuses.push(status),
  });
  socket.connect();
  return { clock, server, socket, events, statuses };
}

describe('greeting', () => {
  it('offers sessions.v1 and says hello with its cursors before anything else', () => {
    const { server, socket } = dialled();
    expect(server.end.protocol).toBe('sessions.v1');
    expect(socket.send({ type: 'unsubscribe', payload: { sessionId: 's' } })).toBe(false);
    server.end.accept();
    expect(server.end.heard).toEqual([
      {
        type: 'hello',
        payload: {
          v: 1,
          clientId: 'tab',
          subs: [{ sessionId: 's', epoch: 'e', seq: 7, turns: { t: { attempt: 1, off: 3 } } }],
        },
      },
    ]);
  });

  it('is online only after the welcome', () => {
    const { server, socket, statuses } = dialled();
    server.end.accept();
    expect(socket.online).toBe(false);
    server.end.welcome();
    expect(socket.online).toBe(true);
    expect(statuses.at(-1)?.state).toBe('online');
    expect(socket.send({ type: 'unsubscribe', payload: { sessionId: 's' } })).toBe(true);
  });

  it('gives up a server that takes the call and says nothing', () => {
    const { clock, server, socket } = dialled();
    server.end.accept();
    clock.advance(10_000);
    expect(server.ends[0]?.closed).toBe(true);
    expect(socket.status.state).toBe('reconnecting');
  });
});

describe('heartbeat', () => {
  it('pings at the pace that the welcome names and stays while pongs come', () => {
    const { clock, server, socket } = dialled();
    server.end.welcome({ heartbeatMs: 5_000 });
    for (let beat = 0; beat < 20; beat += 1) {
      clock.advance(5_000);
      server.end.say('pong', { t: clock.now(), heads: {} });
    }
    expect(server.end.payloads('ping')).toHaveLength(20);
    expect(socket.online).toBe(true);
    expect(server.ends).toHaveLength(1);
  });

  it('gives up a line that stays silent after a ping', () => {
    const { clock, server } = dialled();
    server.end.welcome();
    clock.advance(20_000 + 10_000);
    expect(server.ends[0]?.closed).toBe(true);
    clock.advance(250);
    expect(server.ends).toHaveLength(2);
  });

  it('counts any frame as a sign of life', () => {
    const { clock, server } = dialled();
    server.end.welcome();
    clock.advance(25_000);
    server.end.say('something:new', {});
    clock.advance(10_000);
    expect(server.ends).toHaveLength(1);
  });

  it('checks the line at once when the page wakes', () => {
    const { clock, server, socket } = dialled();
    server.end.welcome();
    socket.wake();
    expect(server.end.payloads('ping')).toHaveLength(1);
    clock.advance(4_000);
    expect(server.ends[0]?.closed).toBe(true);
  });
});

describe('coming back', () => {
  it('draws each delay from a ceiling that doubles from 250 ms to 10 s', () => {
    const { clock, server, statuses } = dialled(0.999);
    const delays: number[] = [];
    for (let dial = 0; dial < 9; dial += 1) {
      server.end.drop(1006);
      const delay = (statuses.at(-1)?.nextRetryAt ?? 0) - clock.now();
      delays.push(delay);
      clock.advance(delay);
    }
    expect(delays).toEqual([250, 500, 999, 1998, 3996, 7992, 9990, 9990, 9990]);
    expect(server.ends).toHaveLength(10);
  });

  it('starts over with short delays after a connection that had settled', () => {
    const { clock, server, statuses } = dialled();
    for (let dial = 0; dial < 6; dial += 1) {
      server.end.drop(1006);
      clock.advance(10_000);
    }
    server.end.welcome();
    clock.advance(15_000);
    server.end.drop(1012);
    expect((statuses.at(-1)?.nextRetryAt ?? 0) - clock.now()).toBe(250);
  });

  it.each([1001, 1006, 1012, 4408, 4413])('comes back soon after close code %i', (code) => {
    const { clock, server } = dialled();
    server.end.welcome();
    server.end.drop(code);
    clock.advance(250);
    expect(server.ends).toHaveLength(2);
  });

  it.each([4429, 4503])('keeps off for longer after close code %i', (code) => {
    const { clock, server } = dialled();
    server.end.welcome();
    server.end.drop(code);
    clock.advance(2_500);
    expect(server.ends).toHaveLength(1);
    clock.advance(5_000);
    expect(server.ends).toHaveLength(2);
  });

  it.each([4401, 4403])('stops after close code %i until a person asks', (code) => {
    const { clock, server, socket } = dialled();
    server.end.welcome();
    server.end.drop(code);
    expect(socket.status.state).toBe('stopped');
    socket.wake();
    clock.advance(600_000);
    expect(server.ends).toHaveLength(1);
    socket.connect();
    expect(server.ends).toHaveLength(2);
  });

  it('dials at once when the page wakes during a delay', () => {
    const { server, socket } = dialled();
    server.end.drop(1006);
    socket.wake();
    expect(server.ends).toHaveLength(2);
  });

  it('dials anew on waking when the dial under way is stuck', () => {
    const { clock, server, socket } = dialled();
    clock.advance(3_001);
    socket.wake();
    expect(server.ends).toHaveLength(2);
    expect(server.ends[0]?.closed).toBe(true);
  });

  it('waits as long as a draining server asks', () => {
    const { clock, server, socket } = dialled(0);
    server.end.welcome();
    server.end.say('server:draining', { reconnectAfterMs: 3_000 });
    expect(socket.status.draining).toBe(true);
    server.end.drop(1012);
    clock.advance(2_999);
    expect(server.ends).toHaveLength(1);
    clock.advance(1);
    expect(server.ends).toHaveLength(2);
    server.end.welcome();
    expect(socket.status.draining).toBe(false);
  });
});

describe('frames', () => {
  it('ignores what it does not know and what is not JSON', () => {
    const { server, events, socket } = dialled();
    server.end.welcome();
    server.end.say('session:renamed', { sessionId: 's' });
    server.end.sayRaw('{"type":');
    server.end.sayRaw('[1,2]');
    server.end.say('message:received', { sessionId: 's' });
    server.end.say('session:deleted', { sessionId: 's', colour: 'green' }, { extra: 1 });
    expect(events.map((event) => event.type)).toEqual(['welcome', 'session:deleted']);
    expect(socket.online).toBe(true);
  });

  it('delivers nothing from a line that it has given up', () => {
    const { server, events, socket } = dialled();
    server.end.welcome();
    socket.stop();
    server.ends[0]?.say('session:deleted', { sessionId: 's' });
    server.ends[0]?.drop(1006);
    expect(events.map((event) => event.type)).toEqual(['welcome']);
    expect(server.ends).toHaveLength(1);
  });
});
