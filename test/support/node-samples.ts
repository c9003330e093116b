/** A node's record, for tests that need no agent. */
import type { NodeRecord } from "../../src/domain/node-record.ts";

export function sampleNode(node: string, over: Partial<NodeRecord> = {}): NodeRecord {
  return {
    node,
    seq: 1,
    state: "joined",
    why: null,
    address: null,
    rayNodeId: `ray-${node}`,
    session: "session_1",
    incarnation: `i-${node}`,
    deadIncarnations: [],
    attempts: [],
    gpus: { total: 8, busyPids: [], uuids: [`GPU-${node}`], usage: [], sampledAt: null },
    cpus: 64,
    shmFreeBytes: null,
    diskFreeBytes: null,
    clockOffsetMs: null,
    dirt: [],
    labels: {},
    containment: "pidns",
    rayVersion: "2.60.0",
    pythonVersion: "3.12.3",
    agentVersion: "test",
    agent: { host: node, nonce: `agent-${node}`, pid: 1, startTicks: 1, bootId: "b", pidNamespace: "p" },
    at: "2026-01-01T00:00:00.000Z",
    ...over,
  };
}
