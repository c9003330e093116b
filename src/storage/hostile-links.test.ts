/** A job owns its directory and shares its uid with the server: it may put a link in the place of any part of it, at any moment. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JobFiles } from "../control/ports.ts";
import { jobFiles } from "./job-files.ts";
import { storageInProcess } from "./storage-client.ts";

const ALICE = "mvp2-alice-sft-20260101-000000-deadbeef--a01";
const BOB = "mvp2-bob-sft-20260101-000000-cafecafe--a01";
const SECRET = "bob's own words\n";
const CLAIM = `${JSON.stringify({ schema: 1, by: "launcher", why: null, nonce: "n", host: "w", node_id: null, containment: "none", ray_session: null, at: "t" })}\n`;

let root = "";
let alice = "";
let bob = "";
let files: JobFiles;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "verlpool-links-"));
  [alice, bob] = [join(root, "users/alice/jobs", ALICE), join(root, "users/bob/jobs", BOB)];
  let count = 0;
  const { call } = storageInProcess({ sharedRoot: root, allowedSymlinkTargets: [] });
  files = jobFiles({ call, clock: { now: () => 0 }, ids: { hex: () => `${(count += 1)}` }, host: "server-1" });
  for (const [userId, submissionId] of [
    ["alice", ALICE],
    ["bob", BOB],
  ] as const)
    await files.prepare({ userId, submissionId, specText: "s", argv: ["x"], env: {}, profileText: "{}", attemptJson: { schema: 1 } });
  for (const name of ["driver.log", "metrics.jsonl"]) writeFileSync(join(bob, "logs", name), SECRET);
  writeFileSync(join(bob, "control/claim"), CLAIM);
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

/** What lies under a directory, links not followed. */
function tree(path: string): readonly string[] {
  return readdirSync(path, { recursive: true, encoding: "utf8" })
    .map((name) => `${name} ${lstatSync(join(path, name)).isFile() ? readFileSync(join(path, name), "latin1") : ""}`)
    .toSorted((left, right) => left.localeCompare(right));
}

/** What each call came to: bytes it showed, or an error. */
async function readAll(): Promise<readonly string[]> {
  const shown = (range: { readonly bytes: Uint8Array }): string => Buffer.from(range.bytes).toString("latin1");
  const outcomes = await Promise.allSettled([
    files.readLog("alice", ALICE, 0, 1000).then(shown),
    files.tailLog("alice", ALICE, 100, 1000).then(shown),
    files.readMetrics("alice", ALICE, 0).then(shown),
    files.look("alice", ALICE).then((look) => JSON.stringify(look)),
  ]);
  return outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value : "refused"));
}

async function writeAll(): Promise<readonly string[]> {
  const prepared = { userId: "alice", submissionId: ALICE, specText: "new", argv: ["x"], env: {}, profileText: "{}", attemptJson: {} };
  const outcomes = await Promise.allSettled([
    files.stop("alice", ALICE, "cancel"),
    files.revoke("alice", ALICE, "cancel", "n9"),
    files.prepare(prepared),
  ]);
  return outcomes.map(({ status }) => status);
}

/** Each part of a job's path, and what of bob's stands in for it when alice's job links it. */
const PARTS = [
  { part: "users/alice", instead: "users/bob" },
  { part: "users/alice/jobs", instead: "users/bob/jobs" },
  { part: `users/alice/jobs/${ALICE}`, instead: `users/bob/jobs/${BOB}` },
  { part: `users/alice/jobs/${ALICE}/control`, instead: `users/bob/jobs/${BOB}/control` },
  { part: `users/alice/jobs/${ALICE}/logs`, instead: `users/bob/jobs/${BOB}/logs` },
  { part: `users/alice/jobs/${ALICE}/config`, instead: `users/bob/jobs/${BOB}/config` },
] as const;

describe("a link in the place of", () => {
  it.each(PARTS)("$part shows nothing of its target and is not written through", async ({ part, instead }) => {
    // Bob's directory also holds one of alice's name, so that a link high up would lead to files.
    renameSync(bob, join(root, "users/bob/jobs", ALICE));
    const target = instead.replace(BOB, ALICE);
    const before = tree(join(root, "users/bob"));
    rmSync(join(root, part), { recursive: true });
    symlinkSync(join(root, target), join(root, part));
    for (const outcome of await readAll()) expect(outcome).not.toContain("bob");
    const written = await writeAll();
    expect(written[2]).toBe("rejected");
    if (!/logs|config/.test(part)) expect(written).toEqual(["rejected", "rejected", "rejected"]);
    expect(tree(join(root, "users/bob"))).toEqual(before);
  });

  it.each(["logs/driver.log", "logs/metrics.jsonl", "result.json", "control/claim", "control/lease", "control/stop"])(
    "the file %s shows nothing of its target, by a symbolic or a hard link",
    async (name) => {
      const target = join(root, "secret");
      writeFileSync(target, name.startsWith("logs") ? SECRET : CLAIM.replace('"w"', '"bob"'));
      rmSync(join(alice, name), { force: true });
      symlinkSync(target, join(alice, name));
      for (const outcome of await readAll()) expect(outcome).not.toContain("bob");
      if (!name.startsWith("logs")) return;
      rmSync(join(alice, name));
      linkSync(target, join(alice, name));
      for (const outcome of await readAll()) expect(outcome).not.toContain("bob");
    },
  );

  it("the probe file, or a FIFO there, is neither written nor waited for", async () => {
    const probe = join(root, "users/.probe-server-1");
    writeFileSync(join(root, "database"), "SQLite format 3");
    linkSync(join(root, "database"), probe);
    await expect(files.probe()).rejects.toMatchObject({ name: "StorageTrouble" });
    expect(readFileSync(join(root, "database"), "utf8")).toBe("SQLite format 3");
    rmSync(probe);
    expect(spawnSync("mkfifo", [probe]).status).toBe(0);
    await expect(files.probe()).rejects.toMatchObject({ name: "StorageTrouble" });
  });

  it("a log is neither waited for as a FIFO nor read as a device", async () => {
    const log = join(alice, "logs/driver.log");
    expect(spawnSync("mkfifo", [log]).status).toBe(0);
    await expect(files.tailLog("alice", ALICE, 1, 10)).rejects.toThrow("not a regular file");
  });
});

/** Swaps a directory for a link to bob's, and back, hundreds of times a second, until its input ends. */
const SWAPPER = `
const { renameSync, symlinkSync, unlinkSync } = require("node:fs");
const [own, other] = process.argv.slice(1);
let on = true, swaps = 0;
process.stdin.resume().on("end", () => (on = false));
const pause = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.random());
const step = () => {
  renameSync(own, own + ".away");
  symlinkSync(other, own);
  pause();
  unlinkSync(own);
  renameSync(own + ".away", own);
  pause();
  swaps += 1;
  if (swaps === 50) console.log("swapping");
  if (swaps === 150) console.log("enough");
  if (on) setImmediate(step);
};
step();
`;

// Elsewhere a name is all there is to go by (open-directory.ts).
describe.runIf(process.platform === "linux")("while a job swaps its directory for a link to another user's", () => {
  it.each(["logs", "control", "."])("%s, nothing of the other user is ever shown or written", async (name) => {
    writeFileSync(join(alice, "logs/driver.log"), "mine");
    const own = name === "." ? alice : join(alice, name);
    const other = name === "." ? bob : join(bob, name);
    const before = tree(bob);
    const child = spawn(process.execPath, ["-e", SWAPPER, own, other], { stdio: ["pipe", "pipe", "inherit"] });
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
    await expect.poll(() => said, { timeout: 15_000 }).toContain("swapping");
    const seen = new Set<string>();
    const deadline = AbortSignal.timeout(15_000);
    // As long as it takes for a hundred swaps, however busy the machine is.
    for (let round = 0; round < 100 || !said.includes("enough"); round += 1) {
      deadline.throwIfAborted();
      // These calls end without a turn of the event loop, and what the child says comes in one.
      await new Promise((resolve) => setImmediate(resolve));
      for (const outcome of await readAll()) seen.add(outcome);
      await Promise.allSettled([files.stop("alice", ALICE, "cancel")]);
    }
    child.stdin.end();
    await once(child, "exit");
    expect([...seen].filter((outcome) => outcome.includes("bob") || outcome.includes('"nonce":"n"'))).toEqual([]);
    // Both sides of the swap were met.
    expect(seen.has("mine")).toBe(true);
    if (name !== "control") expect(seen.has("refused")).toBe(true);
    expect(tree(bob)).toEqual(before);
  });
});

describe("whatever the umask is", () => {
  it.each([0o000, 0o077, 0o777])("%o, job directories are 0700 and files 0600, also where they stood there wider", async (umask) => {
    const previous = process.umask(umask);
    try {
      await files.prepare({ userId: "carol", submissionId: ALICE, specText: "s", argv: [], env: {}, profileText: "{}", attemptJson: {} });
      await files.stop("carol", ALICE, "cancel");
      await files.revoke("carol", ALICE, "cancel", "n1");
      mkdirSync(join(root, "users/dave/jobs"), { recursive: true });
    } finally {
      process.umask(previous);
    }
    const job = join(root, "users/carol/jobs", ALICE);
    for (const name of ["", ...readdirSync(job, { recursive: true, encoding: "utf8" })]) {
      const stats = statSync(join(job, name));
      expect([name, (stats.mode & 0o777).toString(8)]).toEqual([name, stats.isFile() ? "600" : "700"]);
    }
  });

  it("an attempt's directory that stood there for others to read is closed", async () => {
    chmodSync(alice, 0o755);
    chmodSync(join(alice, "logs"), 0o777);
    const prepared = { userId: "alice", submissionId: ALICE, specText: "s", argv: [], env: {}, profileText: "{}", attemptJson: {} };
    await files.prepare(prepared);
    expect([alice, join(alice, "logs")].map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o700]);
  });
});
