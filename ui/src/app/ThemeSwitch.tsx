/**
 * Chooses the theme: three radio buttons drawn as one switch.
 */
import { Monitor, Moon, Sun } from 'lucide-react';
import { setTheme, themes, useTheme } from './theme';

const faces = {
  system: { name: 'Theme of the system', Icon: Monitor },
  light: { name: 'Light theme', Icon: Sun },
  dark: { name: 'Dark theme', Icon: Moon },
} as const;

export function ThemeSwitch() {
  const chosen = useTheme();
  return (
    <fieldset className="flex rounded-medium border border-line p-0.5">
      <legend className="sr-only">Theme</legend>
      {themes.map((theme) => {
        const { name, Icon } = faces[theme];
        return (
          <label
            key={theme}
            data-tip={name}
            className="radio-face flex size-7 items-center justify-center rounded-small text-soft hover:text-ink has-checked:bg-selected has-checked:text-ink touch:size-10"
          >
            <input
              type="radio"
              name="theme"
              value={theme}
              aria-label={name}
              checked={theme === chosen}
              onChange={() => setTheme(theme)}
              className="sr-only"
            />
            <Icon size={15} />
          </label>
        );
      })}
    </fieldset>
  );
}
