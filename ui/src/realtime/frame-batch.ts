/**
 * Once a frame: the moment at which waiting events become one change of the page.
 *
 * A hidden page is given no frames by the browser, so a timer stands behind each of them.
 */

/** Runs the work once, at the next frame or soon after. */
export type NextFrame = (run: () => void) => void;

const HIDDEN_FRAME_MS = 150;

export const browserFrame: NextFrame = (run) => {
  let done = false;
  const once = () => {
    if (done) return;
    done = true;
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    run();
  };
  const frame = requestAnimationFrame(once);
  const timer = setTimeout(once, HIDDEN_FRAME_MS);
};
