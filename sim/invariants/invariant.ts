/** What must hold in every world, after every step. */
import type { TaskChange } from "../../src/control/ports.ts";
import type { StopWhy } from "../../src/domain/types.ts";
import type { TaskDelta } from "../world/database.ts";
import type { Server, World } from "../world/model.ts";

/** Each hook says what is broken, or null. */
export type Invariant = {
  readonly id: string;
  readonly text: string;
  /** A task's rows changed. */
  readonly onTask?: (world: World, delta: TaskDelta) => string | null;
  /** After a write, whatever it changed. */
  readonly onWrite?: (world: World, gone: readonly string[]) => string | null;
  /** After each event of the world. */
  readonly onStep?: (world: World) => string | null;
  /** A server is about to POST. */
  readonly onPost?: (world: World, submissionId: string, entrypoint: string) => string | null;
  /** A server's stop reached storage. */
  readonly onStop?: (world: World, submissionId: string, why: StopWhy) => string | null;
  /** A guarded change was applied or refused. */
  readonly onChange?: (world: World, server: Server, change: TaskChange, applied: boolean, epochBefore: number) => string | null;
  readonly onRead?: (world: World, server: Server, method: string, args: readonly unknown[], value: unknown) => string | null;
  /** After faults and users have stopped and the world had its time to come to rest. */
  readonly atRest?: (world: World) => string | null;
};
