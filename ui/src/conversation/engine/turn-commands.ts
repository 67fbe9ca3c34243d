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

  constructor(private readonly send: (command: ClientCommand) => boolean) {}

  give(type: Command['type'], sessionId: string, turnId: string, id: string): void {
    this.wanted.set(turnId, { type, id, payload: { sessionId, turnId } });
    this.sayAgain();
  }

  /** Says what has not been heard yet. */
  sayAgain(): void {
    for (const [turnId, command] of this.wanted) {
      if (this.send(command) && command.type === 'turn:retry') this.wanted.delete(turnId);
    }
  }

  /** The server will not do it: saying it again would change nothing. */
  refused(turnId: string): void {
    this.wanted.delete(turnId);
  }

  ended(turnId: string | undefined): void {
    if (turnId !== undefined && this.wanted.get(turnId)?.type === 'turn:cancel') this.wanted.delete(turnId);
  }
}
