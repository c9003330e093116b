/** Small drawings beside words, never in their place. */
const PATHS = {
  clock: "M8 2.5a5.500 5.500 0 1 0 0 11a5.500 5.500 0 0 0 0-11M8 5v3.300l2.200 1.400",
  hourglass: "M4.500 2.500h7M4.500 13.500h7M5 2.500c0 3.500 6 4.500 6 11M11 2.500c0 3.500-6 4.500-6 11",
  arrow: "M3 8h9M8.500 4.500L12 8l-3.500 3.500",
  play: "M5 3.500l7 4.500-7 4.500z",
  check: "M3 8.500l3.500 3.500L13 4.500",
  cross: "M4 4l8 8M12 4l-8 8",
  stop: "M4 4h8v8H4z",
  warning: "M8 2.500L14 13H2zM8 6.500v3M8 11.200v.3",
  copy: "M5.500 5.500h7v8h-7zM3.500 10.500v-8h7",
  search: "M7 2.500a4.500 4.500 0 1 0 0 9a4.500 4.500 0 0 0 0-9M10.300 10.300L13.500 13.500",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} fill="none" stroke="currentColor" strokeWidth="1.600" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  );
}
