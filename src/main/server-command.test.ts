import { expect, test } from "vitest";
import type { OutputStream } from "../cli/world.ts";
import { listen } from "./listen.ts";
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

test.each([
  ["VERLPOOL_SERVER_PORT", "abc", 'server.port (VERLPOOL_SERVER_PORT): "abc" is no number; it is: port of the API; 0 = any free one'],
  ["VERLPOOL_SERVER_PORT", "70000", "server.port (VERLPOOL_SERVER_PORT): 70000 is above 65535; it is:"],
  ["VERLPOOL_SCHEDULER_MAX_RUNNING_TASKS", "0.5", "0.5 is no whole number; it is: tasks that run at once"],
  ["VERLPOOL_SCHEDULER_ORDER", "lifo", '"lifo" is none of fifo, priority, fair; it is:'],
  ["VERLPOOL_RAY_TOKEN_FILE", "token", '"token" is not valid (must be an absolute path); it is:'],
])("a setting %s=%s is refused in words", async (name, value, words) => {
  const shown = configShowCommand({ config: null, root: "/nowhere", json: true }, { [name]: value }, sink(), sink());
  await expect(shown).rejects.toThrow(words);
});

test("a port that is taken is told with what to do", async () => {
  const app = { listen: () => Promise.reject(Object.assign(new Error("listen EADDRINUSE"), { code: "EADDRINUSE" })) };
  await expect(listen(app, "127.0.0.1", 8080)).rejects.toThrow(
    "the API can't listen on 127.0.0.1:8080: another process listens there; stop it, or choose another port (--port, server.port)",
  );
  const other = { listen: () => Promise.reject(new Error("something else")) };
  await expect(listen(other, "127.0.0.1", 8080)).rejects.toThrow("something else");
});

test("a variable that is mistyped is told, one that is no setting's business is not", async () => {
  const stderr = sink();
  const environment = {
    VERLPOOL_SCHEDULER_MAX_RUNING_TASKS: "2",
    VERLPOOL_SCHEDULER_TICK_S: "2",
    VERLPOOL_URL: "http://h:1",
    HOME: "/root",
  };
  await configShowCommand({ config: null, root: "/nowhere", json: true }, environment, sink(), stderr);
  expect(stderr.text).toBe(
    "verlpool: warning: VERLPOOL_SCHEDULER_MAX_RUNING_TASKS is no setting; verlpool config show lists those there are\n",
  );
});
