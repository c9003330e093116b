/** The text with one top-level field set: its line replaced where it stands, or put at the end. Comments and all else stay. */
export function setField(text: string, field: string, value: string): string {
  const line = `${field}: ${value}`;
  const pattern = new RegExp(`^${field}:.*$`, "m");
  if (pattern.test(text)) return text.replace(pattern, () => line);
  return `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${line}\n`;
}
