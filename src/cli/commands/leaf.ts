/** The frame that every command has: a summary, options, and help that ends with examples. */
import type { Command } from "commander";
import type { Session } from "../session.ts";

/** Runs a command's function with the session and keeps its exit code. */
export type Bind = (run: (session: Session) => Promise<number>) => Promise<void>;

export function leaf(parent: Command, usage: string, summary: string, examples: readonly string[]): Command {
  const command = parent.command(usage).description(summary);
  return command.addHelpText("after", `\nExamples:\n${examples.map((example) => `  ${example}`).join("\n")}`);
}

export const JSON_OPTION = ["--json", "print the API's object; errors as problem JSON on stderr"] as const;
