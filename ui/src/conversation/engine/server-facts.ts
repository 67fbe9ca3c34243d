/**
 * What the server has said of itself: its clock, its limits, its storage, its model.
 *
 * Owns the connection's part of the store. A browser whose clock is wrong still shows right ages,
 * because the difference to the server's clock is taken at each greeting.
 */
import type { Clock } from '../../realtime/ports';
import type { SocketStatus } from '../../realtime/socket';
import type { Limits, Welcome } from '../../wire/events';
import type { StorageState } from '../../wire/types';
import { connectionOf, type ChatStore, type ConnectionState } from './store';

export class ServerFacts {
  limits: Limits | null = null;
  private aheadMs = 0;

  constructor(
    private readonly clock: Clock,
    private readonly store: ChatStore,
    /** False when the browser says that it has no network. */
    private readonly hasNetwork: () => boolean,
  ) {}

  /** The server's time now. */
  now(): number {
    return this.clock.now() + this.aheadMs;
  }

  welcomed({ limits, serverTime, storage, model }: Welcome): void {
    this.limits = limits;
    this.aheadMs = serverTime - this.clock.now();
    this.change(model === null ? { storage } : { storage, model });
  }

  storageIs(storage: StorageState): void {
    this.change({ storage });
  }

  /** Whether the line has just been lost. */
  lineIs(status: SocketStatus): boolean {
    const { connection } = this.store.getState();
    this.change(connectionOf(connection, status, this.hasNetwork()));
    return connection.state === 'online' && status.state !== 'online';
  }

  private change(change: Partial<ConnectionState>): void {
    this.store.setState(({ connection }) => ({ connection: { ...connection, ...change } }));
  }
}
