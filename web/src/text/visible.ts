/** Text that others wrote, made safe to look at: nothing in it may hide, reorder or imitate what stands around it. */

/** Controls of direction, and characters without width: they make a text read otherwise than it is. */
const UNSEEN =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/gu;

/** Each such character becomes a sign that can be seen: ^[ for control characters as terminals write them, ‹U+202E› for the others. */
export function visible(text: string): string {
  return text.replaceAll(UNSEEN, sign);
}

function sign(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return `^${String.fromCodePoint(code + 0x40)}`;
  if (code === 0x7f) return "^?";
  return `‹U+${code.toString(16).toUpperCase().padStart(4, "0")}›`;
}
