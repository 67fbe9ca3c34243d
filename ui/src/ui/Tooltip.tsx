/**
 * One tooltip for the whole page: any element with `data-tip` gets it, by hover after a moment or
 * by keyboard focus at once.
 *
 * It repeats a name that the element already has, or gives more of it (a full date); it is never
 * the only carrier of something, so assistive technology is not told of it. Escape, a press and
 * scrolling put it away.
 */
import { useEffect, useLayoutEffect, useRef, useState } from 'react';

const hoverDelayMs = 450;
const gap = 6;

interface Tip {
  text: string;
  anchor: DOMRect;
}

function tipTarget(event: Event): HTMLElement | null {
  return event.target instanceof Element ? event.target.closest<HTMLElement>('[data-tip]') : null;
}

export function Tooltip() {
  const [tip, setTip] = useState<Tip | null>(null);
  const bubble = useRef<HTMLDivElement>(null);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const hide = () => {
      clearTimeout(timer);
      setTip(null);
    };
    const show = (element: HTMLElement) => {
      const text = element.dataset.tip;
      if (text && element.isConnected) setTip({ text, anchor: element.getBoundingClientRect() });
    };
    const over = (event: PointerEvent) => {
      hide();
      const element = tipTarget(event);
      if (element && event.pointerType === 'mouse') {
        timer = setTimeout(() => show(element), hoverDelayMs);
      }
    };
    const focus = (event: FocusEvent) => {
      hide();
      const element = tipTarget(event);
      if (element?.matches(':focus-visible')) show(element);
    };
    const keys = (event: KeyboardEvent) => {
      if (event.key === 'Escape') hide();
    };
    const options = { capture: true, passive: true };
    document.addEventListener('pointerover', over, options);
    document.addEventListener('pointerdown', hide, options);
    document.addEventListener('focusin', focus, options);
    document.addEventListener('focusout', hide, options);
    document.addEventListener('scroll', hide, options);
    document.addEventListener('keydown', keys, options);
    return () => {
      hide();
      document.removeEventListener('pointerover', over, options);
      document.removeEventListener('pointerdown', hide, options);
      document.removeEventListener('focusin', focus, options);
      document.removeEventListener('focusout', hide, options);
      document.removeEventListener('scroll', hide, options);
      document.removeEventListener('keydown', keys, options);
    };
  }, []);

  useLayoutEffect(() => {
    const element = bubble.current;
    if (!element || !tip) return;
    const { width, height } = element.getBoundingClientRect();
    const below = tip.anchor.bottom + gap + height < window.innerHeight;
    const top = below ? tip.anchor.bottom + gap : tip.anchor.top - gap - height;
    const centred = tip.anchor.left + tip.anchor.width / 2 - width / 2;
    const left = Math.max(gap, Math.min(centred, window.innerWidth - width - gap));
    element.style.translate = `${Math.round(left)}px ${Math.round(top)}px`;
  }, [tip]);

  if (!tip) return null;
  return (
    <div
      ref={bubble}
      aria-hidden="true"
      className="pointer-events-none fixed top-0 left-0 z-50 max-w-72 animate-appear rounded-small bg-ink px-2 py-1 text-note text-paper"
    >
      {tip.text}
    </div>
  );
}
