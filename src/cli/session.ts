/** What a command is given: its outputs, and the API once it asks for it. */
import { apiClient, type Api, type Pause } from "./client.ts";
import { findServer } from "./context.ts";
import { reportError } from "./error-report.ts";
import { jsonText, painter, type Paint } from "./output.ts";
import type { SpecSource } from "./spec-errors.ts";
import { visible } from "./visible.ts";
import type { CliWorld } from "./world.ts";

export type Session = {
  readonly world: CliWorld;
  /** Finds server and token at the first call; throws a CliError (exit 4) when not logged in. */
  readonly api: () => Promise<Api>;
  readonly paint: Paint;
  /** Data: one line, or several, to stdout. */
  readonly print: (text: string) => Promise<void>;
  /** The API's object, indented, to stdout. */
  readonly printJson: (value: unknown) => Promise<void>;
  /** One object a line, for what comes one by one. */
  readonly printJsonLine: (value: unknown) => Promise<void>;
  /** Talk: a line to stderr. */
  readonly say: (text: string) => Promise<void>;
  readonly paintTalk: Paint;
  /** Tells stderr of a failure (problem JSON under --json) and gives its exit code: for commands that go on with the next of several things. */
  readonly report: (error: unknown, source?: SpecSource) => Promise<number>;
};

export function openSession(world: CliWorld, json: boolean): Session {
  let api: Api | null = null;
  const pause: Pause = async (error, first, signal) => {
    const ms = error.retryAfterMs ?? 0;
    if (first) await world.stderr.write(`too many requests: ${visible(error.problem.detail)}; waiting ${Math.ceil(ms / 1000)} s\n`);
    await world.clock.sleep(ms, signal);
  };
  const paintTalk = painter(world.env, world.stderr);
  return {
    world,
    api: async () => (api ??= apiClient(await findServer(world), world.request, world.version, pause)),
    paint: painter(world.env, world.stdout),
    print: (text) => world.stdout.write(`${text}\n`),
    printJson: (value) => world.stdout.write(`${jsonText(value, 2)}\n`),
    printJsonLine: (value) => world.stdout.write(`${jsonText(value)}\n`),
    say: (text) => world.stderr.write(`${text}\n`),
    paintTalk,
    report: async (error, source) => {
      const report = reportError(error, { json, where: api?.where ?? null, paint: paintTalk, source: source ?? null });
      await world.stderr.write(`${report.text}\n`);
      return report.exit;
    },
  };
}

/** Width to fit into; null = no terminal, nothing is cut. A terminal that does not tell its width says 0. */
export function widthOf(session: Session): number | null {
  const { stdout, columns } = session.world;
  return stdout.isTTY && columns !== null && columns > 0 ? columns : null;
}
