/**
 * What rows and the list both ask of a transcript item, whatever its kind.
 */
import type { TranscriptItem } from '../../conversation/view';

export function itemText(item: TranscriptItem): string {
  switch (item.kind) {
    case 'message':
      return item.message.content;
    case 'live':
      return item.turn.text;
    case 'pending':
      return item.pending.content;
  }
}

/** When the item was said, in ms; a live answer has no time of its own yet. */
export function itemTime(item: TranscriptItem): number | null {
  switch (item.kind) {
    case 'message':
      return item.message.timestamp;
    case 'live':
      return null;
    case 'pending':
      return item.pending.createdAt;
  }
}
