/** `RayJobs` and `RayCluster` as a client sees Ray: what is lost, late, repeated or untrue on the way. The real client's parsing is not here. */
import type { RayCluster, RayJobs } from "../../src/control/ports.ts";
import type { HeadView, NodeView, RayJobStatus, RayJobView } from "../../src/domain/types.ts";
import { hits, isOn } from "./fault-state.ts";
import { reported } from "./gpus.ts";
import { onPost } from "../invariants/registry.ts";
import { accept, stopJob } from "./ray-head.ts";
import type { Head, Server, World } from "./model.ts";
import { callWorld } from "./server.ts";

const DEADLINE_MS = 10_000;
const LIES: readonly RayJobStatus[] = ["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"];

/** The head that answers this request; null = nobody does. */
function headFor(world: World): Head | null {
  const { current, rival } = world.ray;
  if (isOn(world, "ray.down")) return null;
  if (rival !== null && world.random("which head").chance(0.5)) return rival;
  return current.up ? current : null;
}

function answerTime(world: World): number {
  return hits(world, "ray.slow") ? world.random("ray time").int(500, 9_900) : world.random("ray time").int(2, 60);
}

function ask<T>(world: World, server: Server, name: string, effect: (head: Head | null) => T, ms = answerTime(world)): Promise<T> {
  return callWorld(world, server, {
    name: `ray.${name}`,
    ms,
    outlives: world.random("outlives").chance(0.5),
    effect: () => effect(headFor(world)),
  });
}

export function rayJobsPort(world: World, server: () => Server): RayJobs {
  return {
    submit: async (request) => {
      onPost(world, request.submissionId, request.entrypoint);
      if (hits(world, "ray.post.late")) {
        const late = world.random("late post").int(5_000, 240_000);
        world.timeline.after(late, "a late POST arrives", () => {
          world.trace.saw("a POST arrived late");
          const head = headFor(world);
          if (head !== null) accept(world, head, request);
        });
        return ask(world, server(), "submit", () => ({ kind: "unknown" as const, error: "timeout" }), DEADLINE_MS);
      }
      if (hits(world, "ray.post.lost")) return ask(world, server(), "submit", () => ({ kind: "unknown" as const, error: "reset" }));
      const mute = hits(world, "ray.post.no_answer");
      return ask(world, server(), "submit", (head) => {
        if (head === null) return { kind: "unknown" as const, error: "ECONNREFUSED" };
        const outcome = accept(world, head, request);
        if (mute || outcome === "duplicate") return { kind: "unknown" as const, error: "Ray answered 500" };
        return { kind: "accepted" as const };
      });
    },
    get: (submissionId) => {
      const trouble = hits(world, "ray.get.unknown");
      const absent = hits(world, "ray.get.absent");
      const lie = hits(world, "ray.get.lie");
      return ask(world, server(), "get", (head): RayJobView => {
        if (head === null) return { kind: "unknown", error: "ECONNREFUSED" };
        if (trouble) return { kind: "unknown", error: "Ray answered 502" };
        const job = head.jobs.get(submissionId);
        if (absent || job === undefined) return { kind: "absent" };
        if (!lie) return { kind: "found", status: job.status, message: job.message, errorType: job.errorType, nodeId: job.nodeId };
        const status = world.random("lie").pick(LIES);
        const errorType = status === "FAILED" ? "JOB_SUPERVISOR_ACTOR_DIED" : null;
        return { kind: "found", status, message: "not so", errorType, nodeId: job.nodeId };
      });
    },
    stop: (submissionId) =>
      ask(world, server(), "stop", (head) => {
        const job = head?.jobs.get(submissionId);
        if (job !== undefined) stopJob(world, job);
      }),
    remove: (submissionId) =>
      ask(world, server(), "remove", (head) => {
        const job = head?.jobs.get(submissionId);
        if (job !== undefined && job.status !== "PENDING" && job.status !== "RUNNING") head?.jobs.delete(submissionId);
      }),
  };
}

export function rayClusterPort(world: World, server: () => Server): RayCluster {
  return {
    head: () => {
      const stale = hits(world, "ray.stale_session");
      return ask(world, server(), "head", (head): HeadView => {
        if (head === null) return { kind: "down", error: "ECONNREFUSED" };
        const session = stale ? (world.ray.previousSession ?? head.session) : head.session;
        return { kind: "up", session, address: "127.0.0.2:6379", rayVersion: "2.60.0" };
      });
    },
    nodes: () => {
      const missing = hits(world, "ray.nodes.missing");
      const late = hits(world, "ray.nodes.late");
      const age = world.random("usage age").int(0, late ? 30_000 : 5_000);
      return ask(world, server(), "nodes", (head): readonly NodeView[] => {
        if (head === null || (missing && world.random("missing").chance(0.5))) throw new Error("Ray's answer can't be read");
        const listed = nodeViews(world, head, age);
        const seen = missing && listed.length > 0 ? listed.slice(1) : listed;
        server().nodesSeen = seen;
        return seen;
      });
    },
  };
}

function nodeViews(world: World, head: Head, ageMs: number): readonly NodeView[] {
  return world.machines
    .filter((machine) => machine.up && machine.head === head)
    .map((machine) => {
      const used = reported(world, machine, ageMs);
      return {
        node: machine.name,
        rayNodeId: machine.rayNodeId,
        address: null,
        gpusTotal: machine.gpus,
        cpusTotal: machine.cpus,
        gpusUsed: used.gpus,
        cpusUsed: used.cpus,
        rivals: [],
        closed: null,
      };
    });
}
