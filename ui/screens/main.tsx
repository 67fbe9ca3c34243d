/**
 * Starts the page on the stage, with the story that the query names: `/s/walk?story=chat`.
 *
 * `window.stage.set` draws at once, so that a script which sets in an animation frame and looks after it
 * sees what was painted.
 */
import { flushSync } from 'react-dom';
import { createRoot } from 'react-dom/client';
import { App } from '../src/app/App';
import '../src/styles/index.css';
import { setStage, useStage } from './stage';
import { stories } from './stories';

declare global {
  interface Window {
    stage: { set: typeof setStage; get: typeof useStage.getState };
  }
}

const name = new URLSearchParams(window.location.search).get('story') ?? 'welcome';
const story = stories[name];
if (!story) throw new Error(`there is no story ${name}`);
setStage(story());
window.stage = { set: (change) => flushSync(() => setStage(change)), get: useStage.getState };

const root = document.getElementById('root');
if (root) createRoot(root).render(<App />);
