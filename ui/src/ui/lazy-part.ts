/**
 * A part of the page that is a file of its own, fetched when it is first shown.
 *
 * The file may not come: the server may be away, or hold a newer build whose files have other names.
 * That is told apart from a part that came and is broken, so that `PartGuard` can say which.
 */
import { lazy } from 'react';
import type { ComponentType, LazyExoticComponent } from 'react';

export class PartNotLoaded extends Error {
  override name = 'PartNotLoaded';
}

export function lazyPart<Props>(
  load: () => Promise<ComponentType<Props>>,
): LazyExoticComponent<ComponentType<Props>> {
  return lazy(async () => {
    try {
      return { default: await load() };
    } catch (cause) {
      throw new PartNotLoaded('A part of the page did not load.', { cause });
    }
  });
}
