/**
 * A menu of actions beside the button that opened it; loaded when the first one opens.
 *
 * Follows the menu-button pattern: arrows, Home and End move, letters jump, Enter and Space act,
 * Escape and Tab close, and focus returns to the opener unless the action took it elsewhere. Drawn in
 * the opener's own part of the page, so that it belongs to the drawer when that is modal.
 */
import { useEffect, useLayoutEffect, useRef } from 'react';
import type { KeyboardEvent, ReactNode } from 'react';
import { createPortal } from 'react-dom';

export interface MenuAction {
  label: string;
  icon: ReactNode;
  danger?: boolean;
  act(): void;
}

interface MenuProps {
  label: string;
  opener: HTMLElement;
  actions: readonly MenuAction[];
  onClose(): void;
}

const margin = 8;

/** Puts the menu under the opener, above it when there is no room, always inside the window. */
function place(menu: HTMLElement, opener: HTMLElement): void {
  const from = opener.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  const fits = from.bottom + 4 + height + margin <= window.innerHeight;
  const top = fits ? from.bottom + 4 : Math.max(margin, from.top - 4 - height);
  const left = Math.min(from.left, window.innerWidth - width - margin);
  menu.style.translate = `${Math.round(Math.max(margin, left))}px ${Math.round(top)}px`;
}

/** The item that a key moves to, or null when the key does not move. */
function nextItem(items: HTMLElement[], current: number, key: string): HTMLElement | null {
  const count = items.length;
  if (key === 'ArrowDown') return items[(current + 1) % count] ?? null;
  if (key === 'ArrowUp') return items[(current - 1 + count) % count] ?? null;
  if (key === 'Home') return items[0] ?? null;
  if (key === 'End') return items[count - 1] ?? null;
  if (key.length !== 1 || key === ' ') return null;
  const turned = [...items.slice(current + 1), ...items.slice(0, current + 1)];
  return turned.find((item) => item.textContent?.toLowerCase().startsWith(key.toLowerCase())) ?? null;
}

export function Menu({ label, opener, actions, onClose }: MenuProps) {
  const menu = useRef<HTMLDivElement>(null);

  useLayoutEffect(() => {
    const element = menu.current;
    if (!element) return;
    place(element, opener);
    element.querySelector<HTMLElement>('[role="menuitem"]')?.focus();
  }, [opener]);

  useEffect(() => {
    const outside = (event: PointerEvent) => {
      const target = event.target as Node;
      if (!menu.current?.contains(target) && !opener.contains(target)) onClose();
    };
    document.addEventListener('pointerdown', outside, true);
    window.addEventListener('resize', onClose);
    return () => {
      document.removeEventListener('pointerdown', outside, true);
      window.removeEventListener('resize', onClose);
    };
  }, [opener, onClose]);

  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    event.stopPropagation();
    if (event.key === 'Escape' || event.key === 'Tab') {
      event.preventDefault();
      onClose();
      opener.focus();
      return;
    }
    const items = [...event.currentTarget.querySelectorAll<HTMLElement>('[role="menuitem"]')];
    const next = nextItem(items, items.indexOf(document.activeElement as HTMLElement), event.key);
    if (next) {
      event.preventDefault();
      next.focus();
    }
  };

  const choose = (action: MenuAction) => {
    onClose();
    opener.focus();
    action.act();
  };

  return createPortal(
    <div
      ref={menu}
      role="menu"
      aria-label={label}
      onKeyDown={onKeyDown}
      className="fixed top-0 left-0 z-50 min-w-44 animate-appear rounded-medium border border-line bg-raised p-1 text-ui shadow-float"
    >
      {actions.map((action) => (
        <button
          key={action.label}
          type="button"
          role="menuitem"
          tabIndex={-1}
          onClick={() => choose(action)}
          className={`flex h-9 w-full items-center gap-3 rounded-small px-3 text-left outline-offset-[-2px] hover:bg-hover focus:bg-hover touch:h-11 ${
            action.danger ? 'text-danger' : 'text-ink'
          }`}
        >
          {action.icon}
          {action.label}
        </button>
      ))}
    </div>,
    opener.closest('main, [role="complementary"], [role="dialog"]') ?? document.body,
  );
}
