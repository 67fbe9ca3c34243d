/**
 * A formula, drawn by KaTeX, which is loaded when the first one appears.
 *
 * Until then, and if KaTeX cannot be loaded or cannot read it, the formula's source stands in its
 * place.
 */
import { lazy, memo, Suspense } from 'react';
import { FormulaSource, type FormulaProps } from './FormulaSource';

const Drawn = lazy(async () => {
  try {
    return { default: (await import('./DrawnFormula')).DrawnFormula };
  } catch {
    return { default: FormulaSource };
  }
});

export const Formula = memo(function Formula(props: FormulaProps) {
  return (
    <Suspense fallback={<FormulaSource {...props} />}>
      <Drawn {...props} />
    </Suspense>
  );
});
