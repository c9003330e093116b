import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Exceptions, ROOMS, violations } from "./architecture/rules.ts";
import { readFacts } from "./architecture/source-facts.ts";

const src = join(import.meta.dirname, "..", "src");

/** A file that must break a rule, with the reason. Keep it short. */
const EXCEPTIONS: Exceptions = {
  "contract/routes.ts": { rule: "size", reason: "the one table of routes: an entry each, nothing else" },
};

const facts = globSync("**/*.ts", { cwd: src })
  .toSorted()
  .map((path) => readFacts(path, readFileSync(join(src, path), "utf8")));

test("the source keeps the rules of ARCHITECTURE.md", () => {
  expect(violations(facts, EXCEPTIONS).map((violation) => violation.text)).toEqual([]);
});

test("no file of src goes unread", () => {
  expect(facts.length).toBeGreaterThan(20);
  expect(facts.filter((file) => file.codeLines === 0).map((file) => file.path)).toEqual([]);
  expect(facts.flatMap((file) => file.imports).length).toBeGreaterThan(facts.length);
});

/** Rows with a title of one line. */
function titled<Row extends readonly string[]>(rows: readonly Row[]): readonly (readonly [string, Row])[] {
  return rows.map((row) => [row.join(" ").replaceAll(/\s+/g, " ").slice(0, 90), row]);
}

/** Each line breaks one rule in one file; the rule must say so. */
const PLANTED: readonly (readonly [rule: string, path: string, source: string])[] = [
  ["outside", "domain/a.ts", `import { join } from "node:path";`],
  ["outside", "domain/a.ts", `import type { z } from "zod";`],
  ["outside", "domain/a.ts", `import "zod";`],
  ["outside", "domain/a.ts", `type Z = import("zod").ZodType;`],
  ["arrow", "domain/a.ts", `import type { Clock } from "../control/ports.ts";`],
  ["arrow", "domain/verl/a.ts", `export * from "../../contract/routes.ts";`],
  ["arrow", "domain/a.ts", `export { type X } from "../store/tables.ts";`],
  ["arrow", "contract/a.ts", `import { x } from "../control/tick.ts";`],
  ["outside", "contract/a.ts", `import { readFileSync } from "node:fs";`],
  ["arrow", "control/a.ts", `import { x } from "../store/task-store.ts";`],
  ["arrow", "control/a.ts", `import { x } from "../contract/resources.ts";`],
  ["outside", "control/a.ts", `import { spawn } from "node:child_process";`],
  ["outside", "control/a.ts", `import { sql } from "kysely";`],
  ["arrow", "ray/a.ts", `import { x } from "../store/tables.ts";`],
  ["arrow", "ray/a.ts", `import { x } from "../control/tick.ts";`],
  ["arrow", "store/a.ts", `import { x } from "../storage/job-dirs.ts";`],
  ["arrow", "storage/a.ts", `import { asset } from "../main/assets.ts";`],
  ["arrow", "pool/a.ts", `import { x } from "../ray/jobs-client.ts";`],
  ["arrow", "http/a.ts", `import { x } from "../store/tables.ts";`],
  ["arrow", "cli/commands/a.ts", `import { x } from "../../control/tick.ts";`],
  ["arrow", "cli/a.ts", `import { decide } from "../domain/scheduling.ts";`],
  ["arrow", "config/a.ts", `import { x } from "../store/tables.ts";`],
  ["arrow", "control/a.ts", `import { fakeRay } from "../../test/support/fake-ray.ts";`],
  ["arrow", "control/a.ts", `import { x } from "./b.test.ts";`],
  ["outside", "cli/a.ts", `import x = require("fastify");`],
  ["outside", "control/a.ts", `import limit from "@fastify/rate-limit";`],
  ["outside", "http/a.ts", `import { DatabaseSync } from "node:sqlite";`],
  ["room", "helpers2/a.ts", `export const a = 1;`],
  ["clock", "control/a.ts", `export const a = () => Date.now();`],
  ["clock", "store/a.ts", `export const a = () => new Date();`],
  ["clock", "ray/a.ts", `export const a = () => globalThis.performance.now();`],
  ["clock", "ray/a.ts", `setTimeout(() => undefined, 5);`],
  ["clock", "ray/a.ts", `globalThis.setInterval(() => undefined, 5);`],
  ["clock", "pool/a.ts", `import { setTimeout as sleep } from "node:timers/promises";`],
  ["clock", "pool/a.ts", `import * as timers from "node:timers/promises";`],
  ["clock", "control/a.ts", `import { randomUUID } from "node:crypto";`],
  ["clock", "main/server.ts", `const id = crypto.randomUUID();`],
  ["clock", "control/a.ts", `const jitter = Math["random"]();`],
  ["environment", "store/a.ts", `const a = process.env["HOME"];`],
  ["environment", "cli/a.ts", `const { env } = process;`],
  ["environment", "pool/a.ts", `import { env } from "node:process";`],
  ["executable", "main/a.ts", `const a = import.meta.dirname;`],
  ["executable", "main/a.ts", `const a = () => import("./b.ts");`],
  ["executable", "main/a.ts", `await Promise.resolve();`],
  ["executable", "main/a.ts", `for await (const a of []) console.log(a);`],
  ["export", "main/a.ts", `export default 1;`],
  ["export", "main/a.ts", `const a = 1; export { a as default };`],
  ["export", "control/a.test.ts", `export default function a() {}`],
  ["name", "control/utils.ts", `export const a = 1;`],
  ["name", "store/task-manager.ts", `export const a = 1;`],
  ["name", "store/helpers/a.ts", `export const a = 1;`],
  ["name", "control/user-service.test.ts", `export const a = 1;`],
  ["name", "control/log-handler.ts", `export const a = 1;`],
  ["size", "control/a.ts", Array.from({ length: 301 }, (_, i) => `export const a${i} = ${i};`).join("\n")],
  ["cycle", "control/a.ts", `export { a } from "./a.ts";`],
];

test.each(titled(PLANTED))("a planted violation is caught: %s", (_title, [rule, path, source]) => {
  expect(violations([readFacts(path, source)], {}).map((violation) => violation.rule)).toContain(rule);
});

/** Looks like a violation and is none. */
const ALLOWED: readonly (readonly [path: string, source: string])[] = [
  ["domain/verl/a.ts", `import { parseTaskId } from "../ids.ts";`],
  ["domain/a.ts", `// import { join } from "node:path";\nexport const a = 'import "zod"; Date.now()';`],
  ["ray/a.ts", `import type { Clock } from "../control/ports.ts"; import { request } from "undici"; const s = AbortSignal.timeout(5);`],
  ["control/a.ts", `import { createHash } from "node:crypto"; export const a = (clock: { now(): number }) => clock.now();`],
  ["store/a.ts", `export const a = (ms: number) => new Date(ms);`],
  ["cli/a.ts", `import type { Task } from "../domain/types.ts"; import { isTerminal } from "../domain/task-state.ts";`],
  ["http/log-handler.ts", `export const a = async () => await Promise.resolve();`],
  ["config/a.ts", `export const a = process.env["HOME"];`],
  ["main/assets.ts", `export const a = import.meta.dirname;`],
  ["main/clock.ts", `import { setTimeout } from "node:timers/promises"; export const now = () => Date.now();`],
  ["storage/common-files.ts", `export const a = 1;`],
  ["control/a.test.ts", `import { openStore } from "../store/open-database.ts"; const a = Date.now();`],
  ["control/a.ts", "/*\n" + "a line of comment\n".repeat(400) + "*/ export const a = 1;"],
];

test.each(titled(ALLOWED))("what the rules allow passes: %s", (_title, [path, source]) => {
  expect(violations([readFacts(path, source)], {})).toEqual([]);
});

test("a cycle over several files is caught, and one of types alone is not", () => {
  const cycle = (kind: string) =>
    violations(
      [readFacts("control/a.ts", `import ${kind} { b } from "./b.ts";`), readFacts("control/b.ts", `export { a } from "./a.ts";`)],
      {},
    );
  expect(cycle("").map((violation) => violation.rule)).toEqual(["cycle"]);
  expect(cycle("type")).toEqual([]);
});

test("an exception excuses its rule in its file only, and is refused once it is not needed", () => {
  const clocked = readFacts("ray/a.ts", `const a = () => Date.now();`);
  expect(violations([clocked], { "ray/a.ts": { rule: "clock", reason: "test" } })).toEqual([]);
  expect(violations([clocked], { "ray/a.ts": { rule: "size", reason: "test" } }).map((violation) => violation.rule)).toEqual([
    "clock",
    "size",
  ]);
});

test("a file that does not parse is an error, not a pass", () => {
  expect(() => readFacts("control/a.ts", "export const = ;")).toThrow("control/a.ts does not parse");
});

test("every folder of src is a room, and every room is named in ARCHITECTURE.md", () => {
  const architecture = readFileSync(join(src, "..", "ARCHITECTURE.md"), "utf8");
  for (const room of Object.keys(ROOMS)) expect(architecture).toContain(`src/${room}/`);
});
