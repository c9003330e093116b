/** What each route answers, as types. The values are checked by the shapes of the route table; this names what comes out. */
import type { z } from "zod";
import type { ArtifactsWire } from "../contract/artifacts.ts";
import type { PlanWire } from "../contract/plan.ts";
import type { CurvesWire, WhyWire } from "../contract/insight.ts";
import type * as r from "../contract/resources.ts";

export type EventView = z.infer<typeof r.EventWire>;
export type ProfileView = z.infer<typeof r.ProfileWire>;
export type LimitsView = z.infer<typeof r.LimitsWire>;
type Page<Noun extends string, Item> = { readonly [noun in Noun]: readonly Item[] } & { readonly next_cursor: string | null };

export type JsonAnswers = {
  readonly createUser: r.UserWire;
  readonly listUsers: Page<"users", r.UserWire>;
  readonly disableUser: r.UserWire;
  readonly enableUser: r.UserWire;
  readonly setLimits: r.UserWire;
  readonly createToken: r.NewTokenWire;
  readonly listTokens: Page<"tokens", r.TokenWire>;
  readonly revokeToken: null;
  readonly rotateToken: r.NewTokenWire;
  readonly listAudit: Page<"audit", r.AuditWire>;
  readonly me: r.MeWire;
  readonly createTask: r.CreatedTaskWire;
  readonly planTask: PlanWire;
  readonly listTasks: r.TaskListWire;
  readonly getTask: r.TaskWire;
  readonly listEvents: Page<"events", EventView>;
  readonly listAttempts: Page<"attempts", r.AttemptWire>;
  readonly cancelTask: z.infer<typeof r.CancelWire>;
  readonly holdTask: r.TaskWire;
  readonly releaseTask: r.TaskWire;
  readonly prioritizeTask: r.TaskWire;
  readonly requeueTask: r.TaskWire;
  readonly retryTask: r.CreatedTaskWire;
  readonly readCurves: CurvesWire;
  readonly explainTask: WhyWire;
  readonly listArtifacts: ArtifactsWire;
  readonly readQueue: r.QueueWire;
  readonly readUsage: z.infer<typeof r.UsageListWire>;
  readonly pauseQueue: z.infer<typeof r.PausedWire>;
  readonly resumeQueue: z.infer<typeof r.PausedWire>;
  readonly declareDead: r.AttemptWire;
  readonly listNodes: r.NodesWire;
  readonly listProfiles: Page<"profiles", ProfileView>;
};
