/**
 * The page's outermost part: what it needs around it, and what is shown if everything else fails.
 */
import { Button } from '../ui/Button';
import { RenderGuard } from '../ui/RenderGuard';
import { ToastRegion } from '../ui/ToastRegion';
import { Tooltip } from '../ui/Tooltip';
import { ChatProvider } from '../features/chat/chat-context';
import { Plea } from './Plea';
import { Shell } from './Shell';

export function App() {
  return (
    <RenderGuard fallback={<Broken />}>
      <ChatProvider>
        <Shell />
      </ChatProvider>
      <ToastRegion />
      <Tooltip />
    </RenderGuard>
  );
}

function Broken() {
  return (
    <main className="flex h-full">
      <h1 className="sr-only">Cipher</h1>
      <Plea
        title="The page ran into a problem"
        actions={
          <Button look="solid" onClick={() => window.location.reload()}>
            Load the page again
          </Button>
        }
      >
        Your conversations are stored on the server and are not affected. What you had not sent yet is
        kept in this browser.
      </Plea>
    </main>
  );
}
