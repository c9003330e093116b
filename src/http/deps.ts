/** What the HTTP side is composed of; main/ makes it. */
import type { ArtifactFiles } from "../domain/artifact.ts";
import type { Authenticate } from "../control/authenticate.ts";
import type { CommandSource } from "../control/command-source.ts";
import type { Forecast } from "../control/forecast.ts";
import type { Cursors } from "../control/cursors.ts";
import type { Insight } from "../control/insight.ts";
import type { CommonFiles, LogFiles } from "../control/file-ports.ts";
import type { Clock, Ids, JobFiles, Log, Store } from "../control/ports.ts";
import type { NodeFiles } from "../control/node-ports.ts";
import type { RayDoorView } from "../control/ray-door.ts";
import type { QueueOrder } from "../domain/queue-order.ts";
import type { SchedulerLoop } from "../control/scheduler/loop.ts";
import type { SubmitDeps } from "../control/submit-task.ts";
import type { UserDeps } from "../control/users.ts";
import type { RequestLimits } from "./admission.ts";
import type { Meters } from "./meters.ts";
import type { LoadPage } from "./page-routes.ts";

export type HttpDeps = {
  readonly version: string;
  readonly store: Store;
  readonly files: JobFiles;
  readonly nodeFiles: NodeFiles;
  readonly logs: LogFiles;
  readonly insight: Insight;
  readonly artifacts: ArtifactFiles;
  readonly common: CommonFiles;
  readonly commands: CommandSource;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly authenticate: Authenticate;
  readonly cursors: Cursors;
  readonly loop: SchedulerLoop;
  readonly forecast: Forecast;
  readonly order: () => Promise<QueueOrder>;
  readonly rayDoor: () => RayDoorView;
  readonly users: UserDeps;
  readonly submit: SubmitDeps;
  readonly meters: Meters;
  readonly page: LoadPage;
  readonly settings: {
    readonly maxRunningTasks: number;
    readonly ignoredFields: readonly string[];
    readonly tickMs: number;
    readonly requests: RequestLimits;
  };
};
