/**
 * The buttons: `Button` carries words, `IconButton` a picture and its name.
 *
 * Both are 36 px high with a mouse and 44 px under a finger, and both show the page's focus ring.
 * An icon button always has a name, which is also its tooltip.
 */
import type { ButtonHTMLAttributes, ReactNode, Ref } from 'react';

const shared =
  'inline-flex shrink-0 items-center justify-center text-ui transition-colors ' +
  'duration-(--quick) select-none disabled:cursor-default disabled:opacity-45';

const looks = {
  solid: 'bg-accent text-on-accent hover:not-disabled:bg-accent-hover',
  outline: 'border border-line bg-paper text-ink hover:not-disabled:bg-hover',
  accent: 'text-accent hover:not-disabled:bg-accent-tint',
  quiet: 'text-soft hover:not-disabled:bg-hover hover:not-disabled:text-ink',
} as const;

type Look = keyof typeof looks;

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: Look;
  icon?: ReactNode;
  ref?: Ref<HTMLButtonElement>;
}

export function Button({ look = 'outline', icon, className = '', children, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      className={`${shared} ${looks[look]} h-9 gap-2 rounded-medium px-3 font-medium touch:h-11 touch:px-4 ${className}`}
      {...rest}
    >
      {icon}
      {children}
    </button>
  );
}

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  label: string;
  look?: Look;
  round?: boolean;
  /** 32 px with a mouse, for actions inside a row. */
  small?: boolean;
  ref?: Ref<HTMLButtonElement>;
}

export function IconButton(props: IconButtonProps) {
  const { label, look = 'quiet', round = false, small = false, className = '', children, ...rest } = props;
  const shape = round ? 'rounded-full' : 'rounded-medium';
  return (
    <button
      type="button"
      aria-label={label}
      data-tip={label}
      className={`${shared} ${looks[look]} ${shape} ${small ? 'size-8' : 'size-9'} touch:size-11 ${className}`}
      {...rest}
    >
      {children}
    </button>
  );
}
