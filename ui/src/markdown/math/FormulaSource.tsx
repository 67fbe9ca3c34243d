/** A formula as it was written, where it is not or cannot be drawn. */

export interface FormulaProps {
  tex: string;
  display: boolean;
}

export function FormulaSource({ tex, display }: FormulaProps) {
  return <code className={display ? 'md-formula-source md-display' : 'md-formula-source'}>{tex}</code>;
}
