/**
 * The short messages that come and go at the edge of the page, as a store outside React.
 *
 * Anyone may show one; only `ToastRegion` draws them. A toast that offers an action stays for ten
 * seconds, which is the time a person has to undo; one that only tells stays for five. Newest last,
 * at most three: the oldest makes room.
 */
import { create } from 'zustand';

const tellMs = 5_000;
const actMs = 10_000;
const atMost = 3;

export interface ToastAction {
  label: string;
  /** `byKey` when it was pressed by keyboard in the toast, so that the keyboard needs another place. */
  act(byKey: boolean): void;
}

export interface Toast {
  id: number;
  text: string;
  durationMs: number;
  action: ToastAction | null;
}

interface ToastStore {
  toasts: readonly Toast[];
  show(text: string, action?: ToastAction): void;
  dismiss(id: number): void;
}

let lastId = 0;

export const useToasts = create<ToastStore>((set) => ({
  toasts: [],
  show: (text, action) => {
    lastId += 1;
    const toast = { id: lastId, text, durationMs: action ? actMs : tellMs, action: action ?? null };
    set(({ toasts }) => ({ toasts: [...toasts, toast].slice(-atMost) }));
  },
  dismiss: (id) => set(({ toasts }) => ({ toasts: toasts.filter((toast) => toast.id !== id) })),
}));

/** The words of a failure, for a toast: the server's own when it sent some. */
export function failureText(what: string, cause: unknown): string {
  return cause instanceof Error && cause.message ? `${what}: ${cause.message}` : `${what}.`;
}
