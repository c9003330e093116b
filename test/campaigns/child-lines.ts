/** Runs a script of the tree under test and reads what it says, one JSON object a line. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";

/** Lines are shown as they come. A script that ends badly is a violation, and its lines so far count. */
export async function linesOf<Line>(
  tree: string,
  script: string,
  args: readonly string[],
  env: { readonly [name: string]: string } = {},
): Promise<{ readonly lines: readonly Line[]; readonly failure: readonly string[] }> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", join(tree, script), ...args], {
    cwd: tree,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise<string>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code === null ? `${signal}` : `exit ${code}`));
  });
  const lines: Line[] = [];
  for await (const text of createInterface({ input: child.stdout })) {
    console.log(text);
    if (text.startsWith("{")) lines.push(JSON.parse(text) as Line);
  }
  const how = await exited;
  return { lines, failure: how === "exit 0" ? [] : [`${script} ended with ${how}`] };
}
