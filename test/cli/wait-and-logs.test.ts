import { expect, test } from "vitest";
import { Unreachable } from "../../src/cli/transport.ts";
import { attemptWire, cliWorld, refuse, TASK_ID, taskWire, unreachable } from "../support/cli-world.ts";

const running = { json: taskWire({ state: "RUNNING", attempts: 1, attempt: attemptWire() }) };
const log = (attempt: number, offset: number, text: string): string =>
  `event: log\nid: ${attempt}:${offset + Buffer.byteLength(text)}\ndata: ${JSON.stringify({ attempt, offset, text })}\n\n`;
const end = (state: string): string => `event: end\ndata: {"state":"${state}"}\n\n`;

test.each([
  ["SUCCEEDED", 0],
  ["FAILED", 100],
  ["CANCELED", 103],
] as const)("wait for a task that ends %s exits %i", async (state, exit) => {
  const cli = cliWorld({ routes: { getTask: (_, nth) => (nth < 4 ? running : { json: taskWire({ state }) }) } });
  expect(await cli.run("wait", "3d4c")).toBe(exit);
  expect(cli.stdout()).toBe("");
  expect(cli.stderr()).toContain(state);
});

test("wait --timeout exits 101 and says that the task goes on", async () => {
  const cli = cliWorld({ routes: { getTask: running } });
  expect(await cli.run("wait", "3d4c", "--timeout", "1m")).toBe(101);
  expect(cli.sleeps.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(60_000);
  expect(cli.stderr()).toContain("not finished in time");
});

test("wait for a task that is not there exits 102 before it waits for the others", async () => {
  const cli = cliWorld({
    routes: { getTask: (call) => (call.path["task_id"] === "3d4c" ? running : refuse("task_not_found", "task not found")) },
  });
  expect(await cli.run("wait", "3d4c", "nosuch")).toBe(102);
  expect(cli.stderr()).toContain("task not found: nosuch");
  expect(cli.sleeps).toEqual([]);
});

test("of several tasks the worst end is the exit code, and the same task twice is one", async () => {
  const cli = cliWorld({
    routes: {
      getTask: (call) => {
        const id = call.path["task_id"] ?? "";
        const states = { "aaaa-1": "CANCELED", "bbbb-1": "FAILED", "cccc-1": "SUCCEEDED" } as const;
        return { json: taskWire({ task_id: id, state: states[id as keyof typeof states] }) };
      },
    },
  });
  expect(await cli.run("wait", "aaaa-1", "bbbb-1", "cccc-1", "cccc-1", "--json")).toBe(100);
  expect(cli.stdout().trimEnd().split("\n")).toHaveLength(3);
});

test("wait lives through a server that is away, tells it once, and goes on", async () => {
  const cli = cliWorld({
    routes: { getTask: (_, nth) => (nth > 1 && nth < 9 ? unreachable() : nth < 12 ? running : { json: taskWire({ state: "SUCCEEDED" }) }) },
  });
  expect(await cli.run("wait", "3d4c")).toBe(0);
  expect(cli.stderr().match(/the server can't be asked now/g)).toHaveLength(1);
  expect(cli.stderr()).toContain("the server answers again");
});

test("wait stops when its token is revoked: exit 4", async () => {
  const cli = cliWorld({ routes: { getTask: (_, nth) => (nth < 3 ? running : refuse("invalid_token", "invalid token")) } });
  expect(await cli.run("wait", "3d4c")).toBe(4);
});

test("Ctrl-C in wait detaches with exit 130", async () => {
  const cli = cliWorld({
    routes: {
      getTask: (_, nth) => {
        if (nth === 3) cli.interrupt();
        return running;
      },
    },
  });
  expect(await cli.run("wait", "3d4c")).toBe(130);
  expect(cli.stderr()).toContain(`the task goes on: ${TASK_ID}`);
});

test("logs to a pipe are the exact bytes, page by page, of the newest attempt", async () => {
  const bytes = Buffer.from([0x1b, 0x5b, 0x32, 0x4a, 0xff, 0xfe, 0x0d, 0x0a, 0x00, 0xe6]);
  const cli = cliWorld({
    routes: {
      getTask: { json: taskWire({ state: "RUNNING", attempts: 2, attempt: attemptWire({ attempt: 2 }) }) },
      readLogs: (call) => {
        const offset = Number(call.query["offset"]);
        const piece = bytes.subarray(offset, offset + 4);
        return { pieces: [piece], headers: { "x-log-end": String(offset + piece.length) } };
      },
    },
  });
  expect(await cli.run("logs", "3d4c")).toBe(0);
  expect(cli.stdoutBytes()).toEqual(bytes);
  expect(new Set(cli.calls.filter((call) => call.id === "readLogs").map((call) => call.query["attempt"]))).toEqual(new Set(["2"]));
});

test("logs on a terminal show control characters and do not send them; --raw sends them", async () => {
  const text = "\u001b[36m(pid=1)\u001b[0m ok\r\n\u001b]52;c;AAAA\u0007\u001b[2J 50%\r60%\u202e\u009b31m\n";
  const routes = { getTask: running, readLogs: { text } };
  const cli = cliWorld({ tty: true, routes });
  expect(await cli.run("logs", "3d4c", "--tail", "10")).toBe(0);
  expect(cli.stdout()).toBe(String.raw`(pid=1) ok` + "\n" + String.raw`\x1b]52;c;AAAA\x07\x1b[2J 50%\r60%\u202e\x9b31m` + "\n");
  const raw = cliWorld({ tty: true, routes });
  expect(await raw.run("logs", "3d4c", "--tail", "10", "--raw")).toBe(0);
  expect(raw.stdout()).toBe(text);
});

test("logs --attempt all reads each attempt in order", async () => {
  const cli = cliWorld({
    routes: {
      getTask: { json: taskWire({ state: "RUNNING", attempts: 2, attempt: attemptWire({ attempt: 2 }) }) },
      listAttempts: (call) =>
        call.query["cursor"] === "more"
          ? { json: { attempts: [attemptWire({ attempt: 2 })], next_cursor: null } }
          : { json: { attempts: [attemptWire()], next_cursor: "more" } },
      readLogs: (call) => ({ text: `attempt ${String(call.query["attempt"])}\n` }),
    },
  });
  expect(await cli.run("logs", "3d4c", "--attempt", "all", "--tail", "5")).toBe(0);
  expect(cli.stdout()).toBe("attempt 1\nattempt 2\n");
});

test("logs --grep asks page by page how far the server has looked, also when a page holds nothing; --since begins where it says", async () => {
  const pages = [
    ["", "0", "100"],
    ["hit\n", "100", "150"],
    ["", "150", "150"],
  ] as const;
  const cli = cliWorld({
    routes: {
      getTask: { json: taskWire({ attempt: attemptWire(), attempts: 1 }) },
      readLogs: (_, nth) => {
        const [text, start, end] = pages[nth - 1] ?? pages[2];
        return { text, headers: { "x-log-start": start, "x-log-end": end } };
      },
    },
  });
  expect(await cli.run("logs", "3d4c", "--since", "10m", "--grep", "hit")).toBe(0);
  expect(cli.stdout()).toBe("hit\n");
  const queries = cli.calls.filter(({ id }) => id === "readLogs").map(({ query }) => [query["since"], query["offset"], query["grep"]]);
  expect(queries).toEqual([
    ["2026-08-01T11:50:00.000Z", undefined, "hit"],
    [undefined, "100", "hit"],
    [undefined, "150", "hit"],
  ]);
});

test("logs -f of a log that was cut begins again and says so", async () => {
  const pieces = [
    'event: log\nid: 1:4\ndata: {"attempt":1,"offset":0,"text":"one\\n"}\n\n',
    'event: truncated\ndata: {"attempt":1}\n\n',
    'event: log\nid: 1:4\ndata: {"attempt":1,"offset":0,"text":"new\\n"}\n\n',
    'event: end\ndata: {"state":"SUCCEEDED"}\n\n',
  ];
  const cli = cliWorld({ routes: { getTask: { json: taskWire({ attempt: attemptWire(), attempts: 1 }) }, readLogs: { pieces } } });
  expect(await cli.run("logs", "3d4c", "-f", "--grep", "e")).toBe(0);
  expect(cli.stdout()).toBe("one\nnew\n");
  expect(cli.stderr()).toContain("shorter than it was");
  expect(cli.calls.find(({ id }) => id === "readLogs")?.query).toMatchObject({ follow: "true", grep: "e" });
});

test("logs of a task that never started say why, and exit 0", async () => {
  const waiting = { code: "behind", text: "2 tasks are before it", details: {}, until: null };
  const cli = cliWorld({ routes: { getTask: { json: taskWire({ waiting }) } } });
  expect(await cli.run("logs", "3d4c")).toBe(0);
  expect(cli.stderr()).toContain("no log yet");
  expect(cli.stderr()).toContain("2 tasks are before it");
});

test("logs of a task that is not there exit 1; with -f 102", async () => {
  const routes = { getTask: refuse("task_not_found", "task not found") };
  expect(await cliWorld({ routes }).run("logs", "3d4c")).toBe(1);
  expect(await cliWorld({ routes }).run("logs", "3d4c", "-f")).toBe(102);
});

test("logs -f comes back where it was after the connection broke: no byte twice, none lost", async () => {
  const cli = cliWorld({
    routes: {
      getTask: running,
      readLogs: (call, nth) => {
        if (nth === 1)
          return { pieces: [": hello\n\n", log(1, 0, "one\n"), log(1, 4, "two\n").slice(0, 30), new Unreachable("", "ECONNRESET")] };
        if (nth === 2) return unreachable();
        if (nth === 3) return refuse("database_unavailable", "the database does not answer", { headers: { "retry-after": "2" } });
        expect(call.headers["last-event-id"]).toBe("1:4");
        expect(call.query["tail"]).toBeUndefined();
        // A server that starts a little earlier than it was asked to.
        return { pieces: [log(1, 2, "e\ntwo\n"), `event: attempt\ndata: {"attempt":2}\n\n`, log(2, 0, "again\n"), end("SUCCEEDED")] };
      },
    },
  });
  expect(await cli.run("logs", "3d4c", "-f", "--tail", "50")).toBe(0);
  expect(cli.stdout()).toBe("one\ntwo\nagain\n");
  expect(cli.stderr()).toContain("trying again");
  expect(cli.stderr()).toContain("the server answers again");
  expect(cli.stderr()).toContain("==> attempt 2");
  const first = cli.calls.find((call) => call.id === "readLogs");
  expect(first?.query).toEqual({ follow: "true", tail: "50" });
  expect(first?.headers["last-event-id"]).toBeUndefined();
});

test("wait and logs -f that begin while the server restarts are given half a minute", async () => {
  for (const argv of [
    ["wait", "3d4c"],
    ["logs", "3d4c", "-f"],
  ]) {
    const back = cliWorld({
      routes: {
        getTask: (_, nth) => (nth < 4 ? unreachable() : { json: taskWire({ state: "SUCCEEDED" }) }),
        readLogs: { pieces: [end("SUCCEEDED")] },
      },
    });
    expect(await back.run(...argv)).toBe(0);
    expect(back.stderr()).toContain("trying for 30 s");
    const away = cliWorld({ routes: { getTask: () => unreachable() } });
    expect(await away.run(...argv)).toBe(1);
    expect(away.sleeps.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(30_000);
    expect(away.stderr()).toContain("does not answer (ECONNREFUSED)");
  }
});

test("logs -f gives bytes that are no UTF-8 exactly", async () => {
  const bytes = Buffer.from([0xff, 0x00, 0x0a]);
  const data = JSON.stringify({ attempt: 1, offset: 0, base64: bytes.toString("base64") });
  const cli = cliWorld({ routes: { getTask: running, readLogs: { pieces: [`event: log\nid: 1:3\ndata: ${data}\n\n`, end("CANCELED")] } } });
  expect(await cli.run("logs", "3d4c", "-f")).toBe(103);
  expect(cli.stdoutBytes()).toEqual(bytes);
});

test("a multi-byte character that comes in two events is shown whole on a terminal", async () => {
  const whole = Buffer.from("é模\n");
  const piece = (from: number, to: number): string =>
    `event: log\nid: 1:${to}\ndata: ${JSON.stringify({ attempt: 1, offset: from, base64: whole.subarray(from, to).toString("base64") })}\n\n`;
  const cli = cliWorld({
    tty: true,
    routes: { getTask: running, readLogs: { pieces: [piece(0, 1), piece(1, 3), piece(3, 6), end("SUCCEEDED")] } },
  });
  expect(await cli.run("logs", "3d4c", "-f")).toBe(0);
  expect(cli.stdout()).toBe("é模\n");
});

test("logs -f --json prints one event a line", async () => {
  const cli = cliWorld({
    routes: { getTask: running, readLogs: { pieces: [`event: attempt\ndata: {"attempt":1}\n\n`, log(1, 0, "a\n"), end("SUCCEEDED")] } },
  });
  expect(await cli.run("logs", "3d4c", "-f", "--json")).toBe(0);
  const lines = cli.stdout().trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { event: "attempt", attempt: 1 },
    { event: "log", attempt: 1, offset: 0, text: "a\n" },
    { event: "end", state: "SUCCEEDED" },
  ]);
});

test("logs --json prints what a follow would, with the place in the log, and base64 where it is no text", async () => {
  const parts = [
    { pieces: [Buffer.from("a\n")], headers: { "x-log-start": "7", "x-log-end": "9" } },
    { pieces: [Buffer.from([0xff])], headers: { "x-log-start": "9", "x-log-end": "10" } },
    { pieces: [], headers: { "x-log-start": "10", "x-log-end": "10" } },
  ];
  const task = { json: taskWire({ state: "RUNNING", attempts: 2, attempt: attemptWire({ attempt: 2 }) }) };
  const cli = cliWorld({ routes: { getTask: task, readLogs: (_, nth) => parts[nth - 1] ?? { text: "" } } });
  expect(await cli.run("logs", "3d4c", "--json")).toBe(0);
  const lines = cli.stdout().trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { event: "log", attempt: 2, offset: 7, text: "a\n" },
    { event: "log", attempt: 2, offset: 9, base64: "/w==" },
  ]);
});

test("Ctrl-C in logs -f detaches with exit 130", async () => {
  const pieces = function* (): Generator<string> {
    yield log(1, 0, "a\n");
    cli.interrupt();
  };
  const cli = cliWorld({ routes: { getTask: running, readLogs: () => ({ pieces: pieces() }) } });
  expect(await cli.run("logs", "3d4c", "-f")).toBe(130);
  expect(cli.stdout()).toBe("a\n");
  expect(cli.stderr()).toContain(`the task goes on: ${TASK_ID}`);
});

test("logs -f stops when its token is revoked: exit 4", async () => {
  const cli = cliWorld({
    routes: {
      getTask: running,
      readLogs: (_, nth) => (nth === 1 ? { pieces: [log(1, 0, "a\n")] } : refuse("invalid_token", "invalid token")),
    },
  });
  expect(await cli.run("logs", "3d4c", "-f")).toBe(4);
});

test("the end of a task is told by its exit code also when its details can't be read any more", async () => {
  const cli = cliWorld({
    routes: { getTask: (_, nth) => (nth === 1 ? running : refuse("internal", "broken")), readLogs: { pieces: [end("FAILED")] } },
  });
  expect(await cli.run("logs", "3d4c", "-f")).toBe(100);
  expect(cli.stderr()).toContain("FAILED; details: verlpool show");
});

test("a reader that goes away ends the program quietly, as a pipe's end does", async () => {
  const gone = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
  const cli = cliWorld({ stdoutError: gone, routes: { getTask: running, readLogs: { text: "a\n" } } });
  expect(await cli.run("logs", "3d4c", "--tail", "1")).toBe(141);
  expect(cli.stderr()).toBe("");
});

test.each([
  ["logs", "3d4c", "--since", "soon"],
  ["logs", "3d4c", "--attempt", "0"],
  ["logs", "3d4c", "--tail", "10001"],
  ["wait", "3d4c", "--timeout", "5"],
  ["wait", "3D4C"],
  ["wait", "../x"],
  ["wait", "abc"],
])("%s %s %s is a usage error and asks nothing of the server", async (...argv) => {
  const cli = cliWorld({ routes: {} });
  expect(await cli.run(...argv.filter((word) => word !== undefined))).toBe(2);
  expect(cli.calls).toEqual([]);
});

test("wait and logs -f keep to Retry-After, and give up on a limit that does not end", async () => {
  const refused = refuse("rate_limited", "5 log streams of yours are open, and the limit is 5; close one", {
    headers: { "retry-after": "5" },
  });
  for (const [route, command] of [
    ["getTask", ["wait", TASK_ID]],
    ["readLogs", ["logs", "-f", TASK_ID]],
  ] as const) {
    const cli = cliWorld({ routes: { getTask: { json: taskWire({ state: "RUNNING" }) }, [route]: refused } });
    expect(await cli.run(...command)).toBe(1);
    expect(cli.stderr()).toContain("the limit is 5");
    expect(Math.min(...cli.sleeps)).toBeGreaterThanOrEqual(5_000);
    expect(cli.calls.length).toBeLessThan(100);
  }
});

test("a wait asks far less often than the rate limit allows", async () => {
  let asked = 0;
  const cli = cliWorld({ routes: { getTask: () => ({ json: taskWire({ state: (asked += 1) > 60 ? "SUCCEEDED" : "RUNNING" }) }) } });
  expect(await cli.run("wait", TASK_ID)).toBe(0);
  expect(cli.calls.length / (cli.sleeps.reduce((sum, ms) => sum + ms, 0) / 1000)).toBeLessThan(1);
});
