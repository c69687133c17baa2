/** Four strokes and the fifth across them: a tally. */
export function Logo() {
  return (
    <svg aria-hidden="true" viewBox="0 0 32 32" className="size-8">
      <rect width="32" height="32" rx="8" className="fill-accent" />
      <path
        d="M9 9v14M14 9v14M19 9v14M24 9v14M6.5 20.5l19-9"
        className="fill-none stroke-on-accent stroke-2"
        strokeLinecap="round"
      />
    </svg>
  );
}
