import fc from "fast-check";
import { expect, test } from "vitest";
import { type ServerEvent, serverEvents } from "./sse.ts";

async function* pieces(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  let from = 0;
  for (const at of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
    const to = Math.min(bytes.length, Math.max(from, at));
    yield bytes.subarray(from, to);
    from = to;
  }
}

async function read(text: string, cuts: readonly number[] = []): Promise<ServerEvent[]> {
  const events: ServerEvent[] = [];
  for await (const event of serverEvents(pieces(Buffer.from(text), cuts))) events.push(event);
  return events;
}

const TEXT = ': hi\r\n\r\nid: 1:4\r\nevent: log\r\ndata: {"é":1}\r\n\r\nevent:end\ndata: a\ndata:b\nretry: 5\nnonsense\n\ndata: last\n';

test("comments and unknown fields are passed over, data of several lines is joined, an id stays, an unfinished event is dropped", async () => {
  expect(await read(TEXT)).toEqual([
    { id: "1:4", event: "log", data: '{"é":1}' },
    { id: "1:4", event: "end", data: "a\nb" },
  ]);
});

test("it makes no difference where the stream is cut", async () => {
  const whole = await read(TEXT);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(Buffer.byteLength(TEXT))), async (cuts) => {
      expect(await read(TEXT, cuts)).toEqual(whole);
    }),
  );
});

test("an event that does not end is refused before it fills the memory", async () => {
  const endless = async function* (): AsyncGenerator<Uint8Array> {
    for (;;) yield Buffer.alloc(4 * 1024 * 1024, "x");
  };
  await expect(serverEvents(endless()).next()).rejects.toThrow("longer than 16 MiB");
});
