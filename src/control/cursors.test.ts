import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cursors } from "./cursors.ts";

const ours = cursors("secret");

describe("a list cursor", () => {
  it("comes back as it went, for the caller and the filter it was made for", () => {
    fc.assert(fc.property(fc.string(), fc.string(), (position, bound) => ours.read(ours.make(position, bound), bound) === position));
  });

  it("is worthless to anybody else, and when a byte of it changed", () => {
    const cursor = ours.make("17", "alice");
    expect(() => ours.read(cursor, "bob")).toThrow(expect.objectContaining({ code: "bad_cursor" }) as Error);
    expect(() => cursors("other").read(cursor, "alice")).toThrow("not valid for this caller");
    const [position = "", mac = ""] = cursor.split(".");
    for (const text of [
      "",
      ".",
      cursor.slice(1),
      `${cursor}.x`,
      position,
      `${Buffer.from("18").toString("base64url")}.${mac}`,
      `${position}.${mac.slice(2)}`,
    ])
      expect(() => ours.read(text, "alice")).toThrow(expect.objectContaining({ code: "bad_cursor" }) as Error);
  });

  it("never throws anything but bad_cursor", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => ours.read(text, "alice")).toThrow(expect.objectContaining({ code: "bad_cursor" }) as Error);
      }),
    );
  });
});
