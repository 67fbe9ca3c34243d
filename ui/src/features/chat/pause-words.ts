/**
 * What is said of a running answer while there is no connection: the same on the page and aloud.
 */
export function pauseWords(stopping: boolean): string {
  return stopping ? 'Stops when the connection is back' : 'Paused: no connection';
}
