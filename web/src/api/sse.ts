/** Server-sent events from bytes: the browser's own EventSource can't send a token. */

export type ServerEvent = { readonly event: string; readonly id: string | null; readonly data: string };

/** Gives whole events as pieces of text come in; a piece may end anywhere. */
export function eventParser(): (piece: string) => readonly ServerEvent[] {
  let rest = "";
  return (piece) => {
    const blocks = (rest + piece).split("\n\n");
    rest = blocks.pop() ?? "";
    return blocks.flatMap((block) => eventOf(block) ?? []);
  };
}

function eventOf(block: string): ServerEvent | null {
  let event = "message";
  let id: string | null = null;
  const data: string[] = [];
  for (const line of block.split("\n")) {
    if (line.startsWith(":")) continue;
    const colon = line.indexOf(":");
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") event = value;
    else if (name === "id") id = value;
    else if (name === "data") data.push(value);
  }
  return data.length === 0 ? null : { event, id, data: data.join("\n") };
}

/** Reads a stream to its end. Rejects when it breaks, or with the signal. */
export async function readEvents(
  answer: Response,
  onEvent: (event: ServerEvent) => void,
  onBytes: () => void = () => undefined,
): Promise<void> {
  if (answer.body === null) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  const parse = eventParser();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    onBytes();
    for (const event of parse(value)) onEvent(event);
  }
}
