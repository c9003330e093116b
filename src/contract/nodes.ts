/** The nodes of the pool on the wire. */
import { z } from "zod";
import { GpuUsageWire, Instant } from "./resources.ts";

const Why = z.object({ code: z.string(), text: z.string() }).nullable();
const Bytes = z.number().nullable();

export const NodeWire = z
  .object({
    node: z.string(),
    state: z.string().meta({
      description:
        "What its agent says (searching, joining, joined, leaving, cordoned, dirty, fenced), or draining, lost (its agent is silent), unknown",
    }),
    why: Why,
    gpus: z.object({ total: z.number(), free: z.number() }),
    cpus: z.object({ total: z.number(), free: z.number() }),
    tasks: z.array(z.string().nullable()).meta({ description: "Own task ids; null for a task of another user" }),
    held: z
      .array(z.object({ task_id: z.string().nullable(), gpus: z.number() }))
      .meta({ description: "How many GPUs each of the tasks holds there" }),
    wanted: z
      .object({ cordon: z.boolean(), drain: z.boolean(), by: z.string(), reason: z.string().nullable(), at: Instant })
      .nullable()
      .meta({ description: "What an operator wants of it, or the scheduler after failures; null = nothing" }),
    agent: z
      .object({ version: z.string(), ray_version: z.string().nullable(), python_version: z.string().nullable(), containment: z.string() })
      .nullable()
      .meta({ description: "Null = a worker without an agent" }),
    gpu_usage: z.array(GpuUsageWire).meta({ description: "As its agent sampled it last, each 15 s" }),
    disk_free_bytes: Bytes,
    shm_free_bytes: Bytes,
    address: z.string().nullable().meta({ description: "For the admin only" }),
    last_seen_at: Instant.nullable(),
  })
  .meta({ id: "Node" });
export type NodeWire = z.infer<typeof NodeWire>;

export const NodesWire = z
  .object({
    head: z.object({
      state: z.enum(["up", "down"]),
      epoch: z.int().nullable(),
      session: z.string().nullable(),
      address: z.string().nullable(),
      since: Instant.nullable(),
      text: z.string().nullable(),
    }),
    nodes: z.array(NodeWire),
    next_cursor: z.string().nullable(),
  })
  .meta({ id: "Nodes" });
export type NodesWire = z.infer<typeof NodesWire>;
