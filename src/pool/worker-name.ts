/** Two agents under one node name: the file of the node shows the other one, and the younger of the two stands back. */
import type { Clock } from "../control/ports.ts";
import type { NodeAgent, NodeRecord } from "../domain/node-record.ts";
import { bootId, startTicksOf } from "./process-record.ts";

export type NameWatch = {
  /** `previous`: what stood in the file before our beat number `seq`. */
  readonly sawBefore: (previous: NodeRecord | null, seq: number) => void;
  /** The host of the other agent; null = the name is ours. */
  readonly takenBy: () => string | null;
  /** What an earlier agent of this name has proven dead stays proven. */
  readonly withEarlier: (dead: readonly string[]) => readonly string[];
};

/** So long without a beat of the other one, whose beats come every 5 s. */
const QUIET_MS = 12_000;
const KEPT = 64;

export function createNameWatch(agent: NodeAgent, clock: Clock): NameWatch {
  let other: { readonly host: string; readonly at: number } | null = null;
  let earlier: readonly string[] = [];

  function sawBefore(previous: NodeRecord | null, seq: number): void {
    if (previous === null) return;
    if (previous.agent.nonce === agent.nonce) return;
    if (earlier.length === 0) earlier = previous.deadIncarnations;
    const isFirst = seq === 1;
    if (isFirst && (previous.why?.code === "stopped" || isGone(previous.agent, agent))) return;
    // At our first beat it may be the last one of an agent that died elsewhere: only time tells.
    const isElder = previous.seq > seq || (previous.seq === seq && previous.agent.nonce > agent.nonce);
    if (isFirst || isElder) other = { host: previous.agent.host, at: clock.monotonicMs() };
  }

  return {
    sawBefore,
    takenBy: () => (other !== null && clock.monotonicMs() - other.at < QUIET_MS ? other.host : null),
    withEarlier: (dead) => [...new Set([...earlier, ...dead])].slice(-KEPT),
  };
}

/** Proven on this very machine: pids mean something in one boot and one PID namespace only. */
function isGone(their: NodeAgent, our: NodeAgent): boolean {
  if (their.bootId !== bootId() || their.pidNamespace !== our.pidNamespace) return false;
  return startTicksOf(their.pid) !== their.startTicks;
}
