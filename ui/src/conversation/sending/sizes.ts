/**
 * How much the server takes, in a message and in a frame of the socket.
 *
 * Before the server has said what it takes everything is let through: it judges by itself.
 */
import type { OutboxItem } from '../../offline/database';
import type { Limits } from '../../wire/events';
import type { WireError } from '../../wire/types';

/** What a frame has around what is sent, at most. */
const FRAME_HEAD_BYTES = 100;

export const TOO_LONG: WireError = {
  code: 'too_large',
  message: 'This message is too long to send. Shorten it and send it again.',
};

export function isTooLong({ content }: OutboxItem, limits: Limits | null): boolean {
  return limits !== null && content.length > limits.maxContent && [...content].length > limits.maxContent;
}

const encoder = new TextEncoder();

/** Whether the socket takes it: a long text in a script of three bytes a character it does not. */
export function fitsFrame({ content, sessionId, clientMsgId }: OutboxItem, limits: Limits | null): boolean {
  if (limits === null) return true;
  const frame = JSON.stringify({ content, sessionId, clientMsgId });
  if ((frame.length + FRAME_HEAD_BYTES) * 3 <= limits.maxFrame) return true;
  return encoder.encode(frame).length + FRAME_HEAD_BYTES <= limits.maxFrame;
}
