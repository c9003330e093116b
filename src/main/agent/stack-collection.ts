/** Collects stacks for whoever runs raylets here: a worker's agent, or `up`. */
import type { Log } from "../../control/ports.ts";
import { createStackKeeper, type StackKeeper } from "../../pool/stack-keeper.ts";
import type { CallStorage } from "../../storage/storage-client.ts";
import { clock, ids } from "../clock.ts";

export function stackCollection(
  call: CallStorage,
  place: { readonly tag: string; readonly node: string; readonly path: string },
  python: () => Promise<string>,
  log: Log,
): StackKeeper {
  const { node } = place;
  const storage = {
    request: (submissionId: string, userId: string | null) => call("readStackRequest", { submissionId, userId, node }),
    keep: async (userId: string, submissionId: string, at: string, text: string) =>
      void (await call("keepStacks", { userId, submissionId, node, at, text, tag: ids.hex(8) })),
  };
  return createStackKeeper({ ...place, storage, python, clock, log });
}
