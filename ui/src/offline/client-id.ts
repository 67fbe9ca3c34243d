/**
 * The name under which this tab greets the server, the same after a reload.
 */
const NAME = 'cipher.clientId';

/** The tab's id; a fresh one each time where the browser keeps nothing. */
export function tabId(fresh: () => string): string {
  try {
    const held = sessionStorage.getItem(NAME);
    if (held !== null) return held;
    const made = fresh();
    sessionStorage.setItem(NAME, made);
    return made;
  } catch {
    return fresh();
  }
}
