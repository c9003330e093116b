/** A launcher on a script: it writes claim, lease and result as launch.py does, when the test says so. Held to launch.py by test/launcher. */
import {
  fsyncSync,
  linkSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { crc32 } from "node:zlib";
import type { Claim } from "../../src/domain/types.ts";

export type ResultFields = {
  readonly outcome?: "exited" | "stopped" | "self_fenced" | "not_started";
  readonly exit_code?: number | null;
  readonly signal?: string | null;
  readonly stop_why?: string | null;
  readonly error?: string | null;
};

export type SimulatedLauncher = {
  readonly jobDir: string;
  /** False = lost, or a stop was there first: nothing was written, exit 75. */
  readonly claim: (containment?: Claim["containment"], incarnation?: string) => boolean;
  /** One more beat of the lease. */
  readonly beat: () => void;
  /** The reason in control/stop, or null. */
  readonly stopSeen: () => string | null;
  readonly writeResult: (fields?: ResultFields) => void;
  readonly writeLog: (text: string) => void;
  readonly writeMetrics: (...steps: readonly { step: number; data: object }[]) => void;
};

let nonces = 0;

/** `at` is the worker's wall clock. */
export function simulatedLauncher(jobDir: string, at: () => number): SimulatedLauncher {
  nonces += 1;
  const nonce = `c0ffee${nonces.toString(16).padStart(8, "0")}`;
  const control = `${jobDir}/control`;
  const instant = (): string => new Date(at()).toISOString();
  let beats = 0;
  let startedAt = instant();

  return {
    jobDir,
    claim: (containment = "pidns", incarnation) => {
      if (readdirSync(control).some((name) => name === "claim" || name === "stop")) return false;
      startedAt = instant();
      const record = {
        schema: 1,
        by: "launcher",
        why: null,
        nonce,
        host: "worker-host",
        node_id: null,
        agent_incarnation: incarnation ?? null,
        containment,
        ray_session: null,
        at: startedAt,
      };
      const temp = `${control}/.claim.${nonce}`;
      writeFileSync(temp, JSON.stringify(record));
      try {
        linkSync(temp, `${control}/claim`);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const won = statSync(temp).nlink === 2;
      unlinkSync(temp);
      return won;
    },
    beat: () => {
      beats += 1;
      const text = `${nonce} ${String(beats).padStart(20, "0")} ${beats * 5000} running`;
      writeFileSync(`${control}/lease`, `${`${text} ${crc32(text).toString(16).padStart(8, "0")}`.padEnd(255)}\n`);
    },
    stopSeen: () => {
      if (!readdirSync(control).includes("stop")) return null;
      return (JSON.parse(readFileSync(`${control}/stop`, "utf8")) as { why: string }).why;
    },
    writeResult: (fields = {}) => {
      const record = {
        schema: 1,
        nonce,
        outcome: "exited",
        exit_code: 0,
        signal: null,
        stop_why: null,
        oom_kill: false,
        started_at: startedAt,
        ended_at: instant(),
        error: null,
        ...fields,
      };
      const temp = `${jobDir}/.result.${nonce}`;
      writeFileSync(temp, JSON.stringify(record));
      const file = openSync(temp, "r");
      fsyncSync(file);
      closeSync(file);
      renameSync(temp, `${jobDir}/result.json`);
    },
    writeLog: (text) => writeFileSync(`${jobDir}/logs/driver.log`, text, { flag: "a" }),
    writeMetrics: (...steps) => {
      const lines = steps.map((step) => `${JSON.stringify(step)}\n`).join("");
      writeFileSync(`${jobDir}/logs/metrics.jsonl`, lines, { flag: "a" });
    },
  };
}
