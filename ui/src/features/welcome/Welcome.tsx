/**
 * The page before there is a conversation: a greeting above the composer; below it a few ways to
 * begin, and a plain word when no real model answers.
 *
 * Two parts, because the composer between them is the one that stays when a conversation begins.
 * A starter fills it and sends nothing: the person reads it, changes it and sends it.
 */
import { Notice } from '../../ui/Notice';

const starters = [
  { title: 'Explain something', text: 'Explain how a hash map works, then show the smallest useful one in Python.' },
  { title: 'Improve a text', text: 'Make this paragraph shorter and clearer, and say what you changed:\n\n' },
  { title: 'Compare options', text: 'Compare SQLite and PostgreSQL for a small web application, in a table.' },
  { title: 'Plan the week', text: 'Help me plan this week. Ask me three questions first.' },
] as const;

function greeting(hour: number): string {
  if (hour >= 5 && hour < 12) return 'Good morning';
  if (hour >= 12 && hour < 18) return 'Good afternoon';
  return 'Good evening';
}

export function WelcomeHead({ now }: { now: number }) {
  return (
    <header className="column pt-8 pb-6">
      <h1 className="text-display font-medium tracking-tight">{greeting(new Date(now).getHours())}</h1>
      <p className="pt-1 text-lead text-soft">What would you like to work on?</p>
    </header>
  );
}

interface WelcomeFootProps {
  /** What the server says about a model that is not a real one; null when it is. */
  modelNotice: string | null;
  onPick(text: string): void;
}

export function WelcomeFoot({ modelNotice, onPick }: WelcomeFootProps) {
  return (
    <div className="column pb-8">
      <ul aria-label="Ways to begin" className="-mx-3 grid gap-1 pt-3 roomy:grid-cols-2">
        {starters.map(({ title, text }) => (
          <li key={title}>
            <button
              type="button"
              onClick={() => onPick(text)}
              className="flex size-full flex-col rounded-medium px-3 py-2 text-left hover:bg-hover"
            >
              <span className="text-ui font-medium">{title}</span>
              <span className="line-clamp-2 text-note text-soft">{text.trim()}</span>
            </button>
          </li>
        ))}
      </ul>
      {modelNotice && (
        <Notice tone="info" className="mt-6">
          {modelNotice}
        </Notice>
      )}
    </div>
  );
}
