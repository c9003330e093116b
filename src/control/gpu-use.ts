/** How busy the GPUs of a running attempt are, as the agents of its nodes sampled them last. */
import { SILENT_MS } from "../domain/node-evidence.ts";
import type { GpuUse } from "../domain/node-record.ts";
import type { Attempt } from "../domain/types.ts";
import type { NodeSighting } from "./scheduler/pool-sight.ts";

/** Nothing of nodes without GPUs or an agent, of those that fell silent, and of an attempt that does not run. */
export function gpuUseOf(attempt: Attempt | null, agents: readonly NodeSighting[], monotonicMs: number): readonly GpuUse[] {
  if (attempt === null || attempt.startedAt === null || attempt.endedAt !== null) return [];
  return attempt.placement.flatMap(({ node, gpus: gpusHeld }): readonly GpuUse[] => {
    const sighting = agents.find(({ record }) => record.node === node);
    if (sighting === undefined || gpusHeld === 0 || monotonicMs - sighting.movedAt > SILENT_MS) return [];
    const { usage, sampledAt, total } = sighting.record.gpus;
    return usage.length === 0 ? [] : [{ node, gpusHeld, gpus: usage, isShared: gpusHeld < total, sampledAt }];
  });
}
