/** What a person is shown of a failing seed: the invariant, the smaller plan, the end of its trace, and how to see it again. */
import type { Item, Plan } from "./plan.ts";
import { runWorld } from "./run-world.ts";
import { planOf } from "./run-seeds.ts";
import { shrink } from "./shrink.ts";
import type { Database } from "./world/database.ts";
import type { Violation } from "./world/model.ts";

/** Lines that tell something by themselves; the rest are single calls and beats. */
const TELLING =
  /^\s*\d+:\d\d\.\d{3} {2}(?:FAULT|FAULT ENDS|task|CLAIM|RESULT|CALM|tree is gone|server|launcher (?:starts|exits)|ray accepts|raylet|node|acknowledged|refused|log error)/;
const TAIL_LINES = 60;

export async function explain(database: Database, seed: number, violation: Violation): Promise<string> {
  const whole = planOf(seed, null);
  const fails = async (items: readonly Item[]): Promise<boolean> => {
    const outcome = await runWorld(database, { ...whole, items }, false);
    return outcome.violation?.invariant === violation.invariant;
  };
  const items = await shrink(whole.items, fails);
  const smaller = { ...whole, items };
  const outcome = await runWorld(database, smaller, true);
  const only = items.map((item) => item.id).join(",");
  const broken = outcome.violation ?? violation;
  return [
    `seed ${seed} breaks ${broken.invariant}: ${broken.text}`,
    `  ${broken.broken}`,
    `  at ${(broken.at / 1000).toFixed(3)} s of virtual time`,
    ...planLines(smaller),
    `the end of its trace (${items.length} of ${whole.items.length} items of the plan are left):`,
    ...outcome.lines.filter((line) => TELLING.test(line)).slice(-TAIL_LINES),
    `replay:        npm run sim -- --seed ${seed} --only ${only} --verbose`,
    `the whole one: npm run sim -- --seed ${seed} --verbose`,
  ].join("\n");
}

export function planLines(plan: Plan): readonly string[] {
  const nodes = plan.nodes.map((node) => `${node.name}: ${node.gpus} GPUs, ${node.cpus} CPUs`).join("; ");
  return [
    `world: ${plan.database}, ${plan.servers} server(s); ${nodes}; calm at ${plan.calmAt / 1000} s`,
    `       ${JSON.stringify(plan.settings)}`,
    ...plan.items.map((item) => {
      const { kind, id, at, ...rest } = item;
      return `  #${id} at ${(at / 1000).toFixed(1)} s: ${kind} ${JSON.stringify(rest)}`;
    }),
  ];
}
