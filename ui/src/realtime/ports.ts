/**
 * What the realtime code needs of a browser, as small seams.
 *
 * Owns the interfaces of time, chance and a dialled connection, and their browser versions. Tests
 * hand in their own, so nothing in this room waits for real time.
 */

export interface Clock {
  /** Milliseconds since 1970 by this browser, which may be wrong; only differences mean something. */
  now(): number;
  /** Runs once after a delay; the returned function calls it off. */
  after(ms: number, run: () => void): () => void;
}

export const browserClock: Clock = {
  now: () => Date.now(),
  after(ms, run) {
    const handle = setTimeout(run, ms);
    return () => clearTimeout(handle);
  },
};

/** A number in [0, 1). */
export type Random = () => number;

export interface Wire {
  send(text: string): void;
  close(): void;
}

export interface WireHandlers {
  open(): void;
  frame(text: string): void;
  closed(code: number): void;
}

/** Opens a connection; the handlers are never called before it returns. */
export type Dial = (url: string, protocol: string, handlers: WireHandlers) => Wire;

export const dialWebSocket: Dial = (url, protocol, handlers) => {
  const socket = new WebSocket(url, protocol);
  socket.onopen = () => handlers.open();
  socket.onmessage = (event: MessageEvent<unknown>) => {
    if (typeof event.data === 'string') handlers.frame(event.data);
  };
  socket.onclose = (event) => handlers.closed(event.code);
  return {
    send: (text) => socket.send(text),
    close: () => socket.close(1000),
  };
};

/** The socket's address on the host that served the page. */
export function socketUrlOf(location: Location): string {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`;
}

/** Calls `wake` whenever the page may have slept or the network came back; returns how to stop. */
export function watchWake(page: Window, wake: () => void, networkLost: () => void): () => void {
  const stop = new AbortController();
  const { signal } = stop;
  page.addEventListener('online', wake, { signal });
  page.addEventListener('offline', networkLost, { signal });
  page.addEventListener('pageshow', wake, { signal });
  page.document.addEventListener(
    'visibilitychange',
    () => {
      if (page.document.visibilityState === 'visible') wake();
    },
    { signal },
  );
  return () => stop.abort();
}
