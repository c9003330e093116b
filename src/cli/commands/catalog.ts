/** What a TaskSpec can name. */
import type { Command } from "commander";
import type { CatalogWire } from "../../contract/catalog.ts";
import { bytesText, table } from "../output.ts";
import { type Session, widthOf } from "../session.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";

/** `0.6B`, `494M`: as models are named. */
function parametersText(parameters: number | null): string {
  if (parameters === null) return "";
  return parameters >= 1e9
    ? `${(parameters / 1e9).toFixed(1)}B`
    : parameters >= 1e6
      ? `${Math.round(parameters / 1e6)}M`
      : String(parameters);
}

function catalogText(session: Session, { code, models, datasets }: CatalogWire): string {
  const show = (title: string, second: string, rows: readonly (readonly string[])[]): string =>
    table(
      [
        { title, min: 20 },
        { title: second, min: 8 },
      ],
      rows.map((row) => [...row]),
      session.paint,
      widthOf(session),
    );
  const data = datasets.map((one) => [
    one.path,
    one.problem ??
      `${one.rows ?? "?"} rows, ${bytesText(one.bytes)}, ${one.workloads.length === 0 ? "for no workload" : `for ${one.workloads.join(", ")}`}`,
  ]);
  const parts = [
    code.length === 0
      ? []
      : [
          show(
            "CODE_PATH",
            "VERL",
            code.map((one) => [one.path, one.verl_version ?? "unknown"]),
          ),
        ],
    models.length === 0
      ? []
      : [
          show(
            "MODEL_ID",
            "PARAMETERS",
            models.map((one) => [one.model_id, parametersText(one.parameters)]),
          ),
        ],
    data.length === 0 ? [] : [show("TRAIN_FILE, VAL_FILE", "WHAT", data)],
  ];
  return parts.flat().join("\n\n");
}

export async function runCatalog(session: Session, json: boolean): Promise<number> {
  const api = await session.api();
  const { value, raw } = await api.call("readCatalog");
  if (json) {
    await session.printJson(raw);
    return 0;
  }
  const text = catalogText(session, value);
  if (text === "") await session.say("nothing lies under /private/common yet: verlpool prepare, model pull, dataset pull");
  else await session.print(text);
  if (value.truncated) await session.say("there is more than was looked at");
  return 0;
}

export function addCatalog(program: Command, bind: Bind): void {
  leaf(program, "catalog", "What a TaskSpec can name: code trees, models and data sets under /private/common", [
    "verlpool catalog",
    "verlpool catalog --json",
  ])
    .option(...JSON_OPTION)
    .action((flags: { json?: true }) => bind((session) => runCatalog(session, flags.json === true)));
}
