/**
 * Draws the toasts at the lower left, over the panel and never over the composer.
 *
 * Each is announced politely. Time stands still while a toast is hovered or holds focus, and
 * Ctrl+Z (⌘Z) outside a text field takes the newest action, so that Undo needs no mouse and no race.
 * A toast that goes with the keyboard's focus in it gives that back.
 */
import { useEffect, useRef, useState } from 'react';
import { X } from 'lucide-react';
import { Button, IconButton } from './Button';
import { useToasts } from './toasts';
import type { Toast } from './toasts';
import { holdsKeyboard, useFocusHeir } from './use-focus-heir';

function isEditable(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('input, textarea, [contenteditable]') !== null;
}

interface ToastCardProps {
  toast: Toast;
  /** It held the keyboard's focus; `acted` when its action was taken. */
  onFocusLost(acted: boolean): void;
}

function ToastCard({ toast, onFocusLost }: ToastCardProps) {
  const dismiss = useToasts((store) => store.dismiss);
  const [held, setHeld] = useState(false);
  const left = useRef(toast.durationMs);
  const card = useRef<HTMLDivElement>(null);
  const acted = useRef(false);
  useFocusHeir(card, () => onFocusLost(acted.current));

  useEffect(() => {
    if (held) return;
    const startedAt = performance.now();
    const timer = setTimeout(() => dismiss(toast.id), left.current);
    return () => {
      clearTimeout(timer);
      left.current -= performance.now() - startedAt;
    };
  }, [held, toast.id, dismiss]);

  return (
    <div
      ref={card}
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
      className="pointer-events-auto flex w-full animate-rise items-center gap-1 rounded-medium border border-line bg-raised py-1 pr-1 pl-3 text-ui shadow-float"
    >
      <span className="line-clamp-3 min-w-0 flex-1 py-1 wrap-anywhere">{toast.text}</span>
      {toast.action && (
        <Button
          look="accent"
          aria-keyshortcuts="Control+Z Meta+Z"
          onClick={() => {
            acted.current = true;
            toast.action?.act(holdsKeyboard(card.current));
            dismiss(toast.id);
          }}
        >
          {toast.action.label}
        </Button>
      )}
      <IconButton label="Dismiss" onClick={() => dismiss(toast.id)}>
        <X size={16} />
      </IconButton>
    </div>
  );
}

export function ToastRegion() {
  const toasts = useToasts((store) => store.toasts);
  const region = useRef<HTMLDivElement>(null);
  /** Where focus was before it came here. */
  const cameFrom = useRef<HTMLElement | null>(null);

  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== 'z' || !(event.ctrlKey || event.metaKey) || event.shiftKey) return;
      if (isEditable(event.target)) return;
      const { toasts: shown, dismiss } = useToasts.getState();
      const newest = shown.findLast((toast) => toast.action);
      if (!newest) return;
      event.preventDefault();
      newest.action?.act(holdsKeyboard(region.current));
      dismiss(newest.id);
    };
    window.addEventListener('keydown', onKeyDown);
    return () => window.removeEventListener('keydown', onKeyDown);
  }, []);

  const giveFocusBack = (acted: boolean) => {
    const before = cameFrom.current;
    if (!acted) before?.focus();
    if (acted || document.activeElement !== before) document.getElementById('composer')?.focus();
  };

  return (
    <div
      ref={region}
      role="status"
      aria-label="Notifications"
      onFocus={({ relatedTarget }) => {
        if (region.current?.contains(relatedTarget)) return;
        cameFrom.current = relatedTarget instanceof HTMLElement ? relatedTarget : null;
      }}
      className="pointer-events-none fixed bottom-28 left-0 z-40 flex w-full max-w-(--panel-width) flex-col gap-2 p-2 wide:bottom-14"
    >
      {toasts.map((toast) => (
        <ToastCard key={toast.id} toast={toast} onFocusLost={giveFocusBack} />
      ))}
    </div>
  );
}
