/**
 * Cipher's mark: a ring with a way in, drawn in the colour of the text around it.
 */
export function Mark({ size = 20 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 20 20" fill="none" aria-hidden="true" className="text-accent">
      <path
        d="M15.6 5.3a7.3 7.3 0 1 0 0 9.4"
        stroke="currentColor"
        strokeWidth="2.4"
        strokeLinecap="round"
      />
      <circle cx="10.2" cy="10" r="2.3" fill="currentColor" />
    </svg>
  );
}
