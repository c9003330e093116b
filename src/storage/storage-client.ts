/** Calls to shared storage with a deadline each. A call that does not return in time costs its helper process, never this one. */
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { encodeLine, unpackResult, type HelperAnswer } from "./helper-protocol.ts";
import { runOperation, type OperationName, type Operations, type StorageConfig } from "./operations.ts";
import { storageTrouble } from "./trouble.ts";

/** Resolves with the operation's result, or rejects with StorageTrouble. */
export type CallStorage = <N extends OperationName>(name: N, args: Operations[N]["args"]) => Promise<Operations[N]["result"]>;

export type StorageClient = { readonly call: CallStorage; readonly close: () => void };

export type HelperOptions = {
  /** Starts `serveStorage` on its stdin and stdout (both pipes). */
  readonly spawnHelper: () => ChildProcess;
  /** How long one call may take, waiting for a free helper included. */
  readonly deadlineMs: number;
  /** How many calls run at once: with two, one hung call leaves a way for the others until its deadline ends it. */
  readonly helpers: number;
};

/** Killed helpers that can't even die (uninterruptible I/O) hold memory; beyond this many no further one is started. */
const MAX_STUCK = 8;

type Waiting = {
  readonly name: OperationName;
  readonly line: string;
  readonly id: number;
  readonly settle: (answer: HelperAnswer | Error) => void;
  readonly deadline: AbortSignal;
};

type Helper = { readonly child: ChildProcess; current: Waiting | null };

/** Runs the operations here and now: for tests, and for programs that may hang with their storage. */
export function storageInProcess(config: StorageConfig): StorageClient {
  const call: CallStorage = (name, args) =>
    new Promise((resolve, reject) => {
      try {
        resolve(runOperation(config, name, args));
      } catch (error) {
        reject(storageTrouble("error", `storage: ${name}: ${error instanceof Error ? error.message : String(error)}`, error));
      }
    });
  return { call, close: () => undefined };
}

export function storageThroughHelpers(config: StorageConfig, options: HelperOptions): StorageClient {
  const queue: Waiting[] = [];
  const helpers = new Set<Helper>();
  const stuck = new Set<ChildProcess>();
  let lastId = 0;
  let isClosed = false;

  const call: CallStorage = (name, args) =>
    new Promise((resolve, reject) => {
      if (isClosed) return reject(storageTrouble("error", `storage: ${name}: the storage client is closed`));
      lastId += 1;
      const deadline = AbortSignal.timeout(options.deadlineMs);
      const waiting: Waiting = {
        name,
        id: lastId,
        line: encodeLine({ id: lastId, config, op: name, args }),
        deadline,
        settle: (answer) => {
          deadline.removeEventListener("abort", onDeadline);
          if (answer instanceof Error) reject(answer);
          else if ("error" in answer) reject(storageTrouble("error", `storage: ${name}: ${answer.error.message}`));
          else resolve(unpackResult(answer.result) as Operations[typeof name]["result"]);
        },
      };
      const onDeadline = () => giveUp(waiting);
      deadline.addEventListener("abort", onDeadline, { once: true });
      queue.push(waiting);
      dispatch();
    });

  const dispatch = (): void => {
    while (queue.length > 0) {
      const helper = [...helpers].find(({ current }) => current === null) ?? startHelper();
      const next = helper === null ? undefined : queue.shift();
      if (helper === null || next === undefined) return;
      helper.current = next;
      helper.child.stdin?.write(next.line);
    }
  };

  const startHelper = (): Helper | null => {
    if (helpers.size >= options.helpers || stuck.size >= MAX_STUCK) return null;
    const child = options.spawnHelper();
    const helper: Helper = { child, current: null };
    const onEnd = (why: string) => {
      stuck.delete(child);
      drop(helper, storageTrouble("error", `storage: the helper process ended (${why}); its call may or may not have been done`));
      dispatch();
    };
    helpers.add(helper);
    child.once("error", (error) => onEnd(error.message));
    child.once("exit", (code, signal) => onEnd(signal ?? `exit code ${code}`));
    const { stdin, stdout } = child;
    // Out of file descriptors, Node makes no pipes and tells why in `error`: the call that this helper is given ends with it.
    if (!stdin || !stdout) return helper;
    createInterface({ input: stdout }).on("line", (line) => {
      const answer = parseAnswer(line);
      // Half a line, of a helper that was killed while it wrote: its exit tells.
      if (answer === null) return;
      const { current } = helper;
      if (current === null || answer.id !== current.id) return;
      helper.current = null;
      current.settle(answer);
      dispatch();
    });
    // EPIPE of a helper that has just died: its exit tells.
    stdin.on("error", () => undefined);
    return helper;
  };

  const drop = (helper: Helper, error: Error): void => {
    helpers.delete(helper);
    const { current } = helper;
    helper.current = null;
    current?.settle(error);
  };

  const giveUp = (waiting: Waiting): void => {
    const error = storageTrouble(
      "hang",
      `storage: ${waiting.name} did not answer within ${options.deadlineMs} ms; is the shared mount hung?`,
    );
    const place = queue.indexOf(waiting);
    if (place >= 0) {
      queue.splice(place, 1);
      waiting.settle(error);
      return;
    }
    for (const helper of helpers) if (helper.current === waiting) abandon(helper, error);
    dispatch();
  };

  const abandon = (helper: Helper, error: Error): void => {
    stuck.add(helper.child);
    drop(helper, error);
    helper.child.kill("SIGKILL");
    // A process in uninterruptible I/O does not die: do not wait for it, also not at our own exit.
    helper.child.stdin?.destroy();
    helper.child.stdout?.destroy();
    helper.child.unref();
  };

  const close = (): void => {
    isClosed = true;
    const error = storageTrouble("error", "storage: the storage client was closed");
    for (const waiting of queue.splice(0)) waiting.settle(error);
    for (const helper of helpers) abandon(helper, error);
  };

  return { call, close };
}

function parseAnswer(line: string): HelperAnswer | null {
  try {
    return JSON.parse(line) as HelperAnswer;
  } catch {
    return null;
  }
}
