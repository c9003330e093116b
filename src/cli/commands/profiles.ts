import type { Command } from "commander";
import { table } from "../output.ts";
import { CliError, EXIT } from "../problem-error.ts";
import { type Session, widthOf } from "../session.ts";
import { visible, visibleLines } from "../visible.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";

export type ProfilesOptions = { readonly name: string | null; readonly json: boolean };

/** Where the profile of this name stands; of a name without its version the highest, its parts compared as numbers (0.10 after 0.9). */
export function newestNamed(names: readonly string[], name: string): number {
  const exact = names.indexOf(name);
  if (exact !== -1) return exact;
  const byVersion = new Intl.Collator("en", { numeric: true });
  const [newest] = names.filter((one) => one.startsWith(`${name}@`)).toSorted((a, b) => byVersion.compare(b, a));
  return newest === undefined ? -1 : names.indexOf(newest);
}

export async function runProfiles(session: Session, options: ProfilesOptions): Promise<number> {
  const api = await session.api();
  const { value, raw } = await api.call("listProfiles");
  const { profiles } = value;
  if (options.name === null) {
    if (options.json) await session.printJson(raw);
    else {
      const rows = profiles.map((one) => [
        one.name,
        one.workload,
        one.verl.join(" "),
        one.builtin ? "built in" : "operator",
        one.description,
      ]);
      const columns = [
        { title: "PROFILE" },
        { title: "WORKLOAD" },
        { title: "VERL", min: 6 },
        { title: "FROM" },
        { title: "DESCRIPTION", min: 12 },
      ];
      await session.print(table(columns, rows, session.paint, widthOf(session)));
    }
    return 0;
  }
  const found = newestNamed(
    profiles.map((one) => one.name),
    options.name,
  );
  const profile = profiles[found];
  if (profile === undefined)
    throw new CliError("unknown_profile", `there is no profile ${visible(options.name)}`, EXIT.error, [
      `there are: ${profiles.map((one) => visible(one.name)).join(", ")}`,
    ]);
  if (options.json) {
    await session.printJson((raw as { readonly profiles: readonly unknown[] }).profiles[found]);
    return 0;
  }
  const text = profile.text.replace(/\n$/, "");
  await session.print(session.world.stdout.isTTY ? visibleLines(text) : text);
  return 0;
}

export function addProfiles(program: Command, bind: Bind): void {
  leaf(program, "profiles [name]", "Training settings that a submission may choose; with a name, that profile as YAML", [
    "verlpool profiles",
    "verlpool profiles grpo",
    "diff <(verlpool profiles long@2) <(verlpool profiles long@3)",
  ])
    .option(...JSON_OPTION)
    .action((name: string | undefined, options: { json?: true }) =>
      bind((session) => runProfiles(session, { name: name ?? null, json: options.json === true })),
    );
}
