/** Server-sent events (WHATWG HTML §9.2), as much of them as the API sends. */

export type ServerEvent = { readonly id: string; readonly event: string; readonly data: string };

/** More than any event of ours (a log event holds at most 1 MiB). Beyond it the stream is not ours. */
const MAX_PENDING = 16 * 1024 * 1024;

export async function* serverEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let pending = "";
  let id = "";
  let event = "";
  let data: string[] = [];
  for await (const chunk of body) {
    pending += decoder.decode(chunk, { stream: true });
    if (pending.length > MAX_PENDING) throw new Error("an event of the stream is longer than 16 MiB");
    const lines = pending.split("\n");
    pending = lines.pop() ?? "";
    for (const ended of lines) {
      const line = ended.endsWith("\r") ? ended.slice(0, -1) : ended;
      if (line === "") {
        if (data.length > 0) yield { id, event: event === "" ? "message" : event, data: data.join("\n") };
        event = "";
        data = [];
        continue;
      }
      const colon = line.indexOf(":");
      const field = colon === -1 ? line : line.slice(0, colon);
      const value = colon === -1 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
      if (field === "id") id = value;
      else if (field === "event") event = value;
      else if (field === "data") data.push(value);
    }
  }
}
