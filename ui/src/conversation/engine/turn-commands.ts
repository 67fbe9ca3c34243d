/**
 * Stop and Retry, kept until the line is up.
 *
 * A stop is said again after each reconnect until its turn is over, because saying it twice does no
 * harm. A retry is said once, because each one begins another attempt.
 */
import type { ClientCommand } from '../../wire/events';

type Command = Extract<ClientCommand, { type: 'turn:cancel' | 'turn:retry' }>;

export class TurnCommands {
  private readonly wanted = new Map<string, Command>();

  constructor(
    private readonly send: (command: ClientCommand) => boolean,
    /** Called with the turns that are told to stop, whenever these change. */
    private readonly stopping: (turnIds: ReadonlySet<string>) => void,
  ) {}

  give(type: Command['type'], sessionId: string, turnId: string, id: string): void {
    this.wanted.set(turnId, { type, id, payload: { sessionId, turnId } });
    this.sayAgain();
    this.tell();
  }

  /** Says what has not been heard yet. */
  sayAgain(): void {
    for (const [turnId, command] of this.wanted) {
      if (this.send(command) && command.type === 'turn:retry') this.wanted.delete(turnId);
    }
  }

  /** The server will not do it: saying it again would change nothing. */
  refused(turnId: string): void {
    this.forget(turnId);
  }

  ended(turnId: string | undefined): void {
    if (turnId !== undefined && this.wanted.get(turnId)?.type === 'turn:cancel') this.forget(turnId);
  }

  private forget(turnId: string): void {
    if (this.wanted.delete(turnId)) this.tell();
  }

  private tell(): void {
    const stops = [...this.wanted.values()].filter(({ type }) => type === 'turn:cancel');
    this.stopping(new Set(stops.map(({ payload }) => payload.turnId)));
  }
}
