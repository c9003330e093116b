import { expect, test } from "vitest";
import type { OutputStream } from "../cli/world.ts";
import { configShowCommand } from "./server-command.ts";

function sink(): OutputStream & { text: string } {
  const made = { isTTY: false, text: "", write: async (chunk: string | Uint8Array) => void (made.text += String(chunk)) };
  return made;
}

test.each([
  ["postgres://u:secret@h/db", "postgres://…@h/db"],
  ["postgres://u:s@cr@t@h/db", "postgres://…@h/db"],
  ["postgres://h/db?user=u&password=secret", "postgres://h/db?…"],
  ["postgres://u:se/cret@h/db", "postgres://…"],
  ["postgres://h/db", "postgres://h/db"],
  ["sqlite:/srv/a@b/mvp.sqlite3", "sqlite:/srv/a@b/mvp.sqlite3"],
])("config show gives %s as %s", async (url, shown) => {
  const [stdout, stderr] = [sink(), sink()];
  const options = { config: null, root: "/nowhere", json: true };
  expect(await configShowCommand(options, { VERLPOOL_DATABASE_URL: url }, stdout, stderr)).toBe(0);
  const { values } = JSON.parse(stdout.text) as { values: { key: string; value: unknown; origin: string }[] };
  expect(values.find((one) => one.key === "database.url")).toMatchObject({ value: shown, origin: "environment" });
});

test("an address of Ray that holds a password is shown without it", async () => {
  const stdout = sink();
  await configShowCommand({ config: null, root: "/nowhere", json: true }, { VERLPOOL_RAY_ADDRESS: "http://u:secret@h:1" }, stdout, sink());
  expect(stdout.text).not.toContain("secret");
});
