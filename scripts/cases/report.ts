/** The table of cases: each has a name, a result and its seconds; the exit code goes by it. */
import { styleText } from "node:util";

type Row = { readonly name: string; readonly result: "ok" | "FAILED" | "not run"; readonly seconds: number; readonly note: string };

export type Report = {
  /** Runs the case; its note is what it gives back, or why it failed. Never rejects; false = it failed. */
  readonly run: (name: string, body: () => Promise<string>) => Promise<boolean>;
  /** As `run`, for what all the rest stands on: once one has failed, nothing more is run. */
  readonly need: (name: string, body: () => Promise<string>) => Promise<boolean>;
  readonly print: () => void;
  readonly exitCode: () => number;
};

export function createReport(): Report {
  const rows: Row[] = [];
  let isBroken = false;

  async function run(name: string, body: () => Promise<string>): Promise<boolean> {
    if (isBroken) {
      rows.push({ name, result: "not run", seconds: 0, note: "" });
      return false;
    }
    console.error(styleText("bold", `── ${name}`));
    const start = performance.now();
    const [result, note] = await body().then(
      (text) => ["ok", text] as const,
      (error: unknown) => ["FAILED", error instanceof Error ? error.message : String(error)] as const,
    );
    const seconds = (performance.now() - start) / 1000;
    rows.push({ name, result, seconds, note });
    console.error(`   ${result} after ${seconds.toFixed(1)} s${note === "" ? "" : `: ${note}`}`);
    return result === "ok";
  }

  return {
    run,
    need: async (name, body) => {
      const isWell = await run(name, body);
      isBroken ||= !isWell;
      return isWell;
    },
    print: () => {
      const width = Math.max(4, ...rows.map(({ name }) => name.length));
      console.log(`${"CASE".padEnd(width)}  RESULT   SECONDS  NOTE`);
      for (const { name, result, seconds, note } of rows) {
        const [line = ""] = note.split("\n");
        console.log(`${name.padEnd(width)}  ${result.padEnd(7)}  ${seconds.toFixed(1).padStart(7)}  ${line}`);
      }
      const failed = rows.filter(({ result }) => result !== "ok").length;
      console.log(`${rows.length - failed} passed, ${failed} failed`);
    },
    exitCode: () => (rows.every(({ result }) => result === "ok") ? 0 : 1),
  };
}
