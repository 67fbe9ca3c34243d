/**
 * Hands the keyboard's place on when the element that holds it goes away, which would else leave it
 * at the start of the page.
 *
 * Only a focus that shows counts: after a click or a touch nothing is owed, and on a phone a field
 * that takes focus would open the keyboard.
 */
import { useLayoutEffect, useRef } from 'react';
import type { RefObject } from 'react';

/** Whether focus is in the element, and was brought there by keyboard. */
export function holdsKeyboard(element: Element | null): boolean {
  const { activeElement } = document;
  return activeElement !== null && element?.contains(activeElement) === true && activeElement.matches(':focus-visible');
}

/** Calls `toHeir` when the element is taken down with the keyboard's focus in it. */
export function useFocusHeir(element: RefObject<Element | null>, toHeir: () => void): void {
  const newest = useRef(toHeir);
  newest.current = toHeir;
  useLayoutEffect(() => {
    const held = element.current;
    // Runs while the element is still in the page, so that what it holds can still be seen.
    return () => {
      if (holdsKeyboard(held)) newest.current();
    };
  }, [element]);
}
