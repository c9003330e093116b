/** Ten colours that can be told apart in both themes; a cell says its task in words as well. */
const COLOURS = 10;

export function colourOf(place: number): string {
  return `task-${place % COLOURS}`;
}
