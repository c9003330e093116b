/** Admin: what is wanted of a node. */
import type { Command } from "commander";
import type { Session } from "../session.ts";
import { visible } from "../visible.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";

const VERBS = {
  drain: {
    route: "drainNode",
    summary: "Place nothing new on a node; it leaves once nothing runs there",
    done: "draining; what runs there goes on, nothing new is placed there",
  },
  cordon: {
    route: "cordonNode",
    summary: "Keep a bad node out, also under another name: the cordon follows its GPUs",
    done: "cordoned; what runs there goes on, nothing new is placed there or on its GPUs",
  },
  uncordon: { route: "uncordonNode", summary: "End a drain or a cordon", done: "open again" },
  forget: { route: "forgetNode", summary: "Take a node that is gone off the list", done: "forgotten" },
} as const;
export type NodeVerb = keyof typeof VERBS;

export type NodeOptions = { readonly verb: NodeVerb; readonly node: string; readonly reason: string; readonly json: boolean };

export async function runNode(session: Session, { verb, node, reason, json }: NodeOptions): Promise<number> {
  const api = await session.api();
  const { route, done } = VERBS[verb];
  const { raw } = await api.call(route, { path: { node }, json: { reason }, about: node });
  if (json && verb !== "forget") await session.printJson(raw);
  else await session.print(`${visible(node)}  ${done}`);
  return 0;
}

export function addNode(program: Command, bind: Bind): void {
  const node = program.command("node").description("Admin: keep nodes out of the pool, and let them in again");
  for (const [verb, { summary }] of Object.entries(VERBS) as [NodeVerb, (typeof VERBS)[NodeVerb]][]) {
    leaf(node, `${verb} <node>`, summary, [`verlpool node ${verb} w3 --reason 'Xid 79 on GPU 2'`])
      .requiredOption("--reason <text>", "why, for the audit trail and for those who wait")
      .option(...JSON_OPTION)
      .action((name: string, flags: { reason: string; json?: true }) =>
        bind((session) => runNode(session, { verb, node: name, reason: flags.reason, json: flags.json === true })),
      );
  }
}
