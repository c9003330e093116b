/** Text that both databases keep exactly: Postgres refuses NUL, and UTF-8 has no lone surrogates. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** The row itself; throws when one of its texts would be refused, or changed unseen, by one of the two databases. */
export function storable<T extends object>(row: T): T {
  for (const [column, value] of Object.entries(row)) {
    if (typeof value === "string" && !isStorable(value)) {
      throw new Error(`${column} must hold no NUL and no half of a surrogate pair, which no database keeps; remove it from the text`);
    }
  }
  return row;
}
