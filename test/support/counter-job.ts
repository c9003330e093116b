/** A Ray job that counts into a file on shared storage as long as it lives: what it did is read there, not in Ray. */
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RayHttp } from "../../src/ray/ray-http.ts";

const PROGRAM = `
import os, sys, time
n = 0
while True:
    n += 1
    with open(sys.argv[1], "a") as out:
        out.write(f"{os.getpid()} {n}\\n")
    time.sleep(0.2)
`;
const quiet = new AbortController().signal;

export type CounterJob = {
  readonly id: string;
  /** How far it has counted. */
  readonly count: () => number;
  /** How often it began. */
  readonly starts: () => number;
  /** Null = Ray does not know it, or does not answer. */
  readonly status: () => Promise<string | null>;
};

export async function submitCounter(http: RayHttp, python: string, root: string, id: string): Promise<CounterJob> {
  const program = join(root, "counter.py");
  const file = join(root, `${id}.count`);
  writeFileSync(program, PROGRAM, { mode: 0o644 });
  writeFileSync(file, "");
  // Jobs of an ordinary user write it too.
  chmodSync(file, 0o666);
  const body = JSON.stringify({
    entrypoint: `exec ${python} -I -S ${program} ${file}`,
    submission_id: id,
    entrypoint_resources: { worker_node: 1 },
  });
  const answer = await http.call({ method: "POST", path: "/api/jobs/", body, maxBytes: 65_536 }, quiet);
  if (answer.kind !== "answer" || answer.status !== 200) throw new Error(`Ray did not take the job: ${JSON.stringify(answer)}`);
  const lines = (): readonly string[] => readFileSync(file, "utf8").trimEnd().split("\n");
  return {
    id,
    count: () => Number(lines().at(-1)?.split(" ")[1] ?? 0),
    starts: () => lines().filter((line) => line.endsWith(" 1")).length,
    status: async () => {
      const found = await http.call({ method: "GET", path: `/api/jobs/${id}`, body: null, maxBytes: 1 << 20 }, quiet);
      if (found.kind !== "answer" || found.status !== 200) return null;
      return (JSON.parse(found.text) as { readonly status: string }).status;
    },
  };
}
