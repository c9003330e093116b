/** `verlpool worker`: a node that finds its head by head.json, joins it, says every 5 s that it lives, and leaves nothing behind. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type NodeRecord, type NodeWant, type NodeWhy, NO_WANT } from "../domain/node-record.ts";
import { decideWorker, type WorkerDecision } from "../domain/worker-watch.ts";
import { createOrphanSweep } from "./orphan-sweep.ts";
import { createFactsSampler, SAMPLE_MS } from "./worker-facts.ts";
import { createWorkerHead } from "./worker-head.ts";
import { createWorkerLife } from "./worker-life.ts";
import { createNameWatch } from "./worker-name.ts";
import type { WorkerOptions } from "./worker-options.ts";
import { createRayletKeeper } from "./worker-raylet.ts";

export type WorkerStatus = { readonly record: NodeRecord; readonly unbeatenMs: number };

export type WorkerAgent = {
  /** Until the signal; then launchers are asked to end, the raylet is killed, and a last beat says so. */
  readonly run: (signal: AbortSignal) => Promise<void>;
  readonly status: () => WorkerStatus;
};

const DECIDE_MS = 250;
const LOOK_MS = 1_000;
const WANT_MS = 2_000;
const SWEEP_MS = 2_500;
/** A change of state is told at once, but not more often than this. */
const BEAT_AT_ONCE_MS = 500;
/** All nodes of a pool follow a new head at the same moment: their starts are spread over this. */
const SPREAD_MS = 1_000;

export function createWorkerAgent(options: WorkerOptions): WorkerAgent {
  const { clock, log, times, storage } = options;
  const keeper = createRayletKeeper(options);
  const life = createWorkerLife({ ...options, keeper });
  const head = createWorkerHead({ ...options, readHead: storage.readHead });
  const sampler = createFactsSampler(options);
  const orphans = createOrphanSweep({ ...options, readAttempt: storage.readAttempt, staleMs: times.staleMs });
  const name = createNameWatch(options.agent, clock);
  const ending = new AbortController();
  let want: NodeWant = NO_WANT;
  let attempts: readonly string[] = [];
  let clockOffsetMs: number | null = null;
  let address = options.address;
  let seq = 0;
  let beatenAt = options.bootMs();
  let decision: WorkerDecision = { state: "searching", why: { code: "starting", text: "the agent is starting" }, act: "none" };
  let told = "";

  const unbeatenMs = (): number => Math.max(0, options.bootMs() - beatenAt);

  function recordNow(): NodeRecord {
    const facts = sampler.facts();
    const running = life.running();
    const survey = facts.gpus.kind === "ok" ? facts.gpus.survey : null;
    return {
      node: options.node,
      seq,
      state: decision.state,
      why: decision.why,
      address,
      rayNodeId: running?.rayNodeId ?? null,
      session: running?.session ?? null,
      incarnation: keeper.incarnation(),
      deadIncarnations: name.withEarlier(keeper.dead()),
      attempts,
      gpus: {
        total: facts.shape.gpus,
        busyPids: survey?.busyPids.slice(0, 256) ?? [],
        uuids: survey?.usage.map((gpu) => gpu.uuid) ?? [],
        usage: survey?.usage ?? [],
        sampledAt: survey === null ? null : facts.sampledAt,
      },
      cpus: facts.shape.cpus,
      shmFreeBytes: facts.shmFreeBytes,
      diskFreeBytes: facts.diskFreeBytes,
      clockOffsetMs,
      dirt: facts.dirt,
      labels: options.labels,
      containment: options.containment,
      rayVersion: running?.install?.rayVersion ?? null,
      pythonVersion: running?.install?.pythonVersion ?? null,
      agentVersion: options.agentVersion,
      agent: options.agent,
      at: new Date(clock.now()).toISOString(),
    };
  }

  async function beat(): Promise<void> {
    seq += 1;
    // Read anew for every beat: the server takes what it does not list for dead.
    attempts = orphans.list();
    const [startedAt, wallAt] = [options.bootMs(), clock.now()];
    const record = recordNow();
    const { previous, storageTimeMs } = await storage.beat(record);
    beatenAt = startedAt;
    told = toldBy(record);
    // Between our two readings of the clock the storage took its own: half of the way is the best guess.
    clockOffsetMs = Math.round((wallAt + clock.now()) / 2 - storageTimeMs);
    name.sawBefore(previous, record.seq);
  }

  async function beatLoop(signal: AbortSignal): Promise<void> {
    let complaint = "";
    for (let last = Number.NEGATIVE_INFINITY; !signal.aborted;) {
      const since = clock.monotonicMs() - last;
      const isDue = since >= times.beatMs || (since >= BEAT_AT_ONCE_MS && told !== toldBy(recordNow()));
      if (isDue) {
        last = clock.monotonicMs();
        const error = await beat().then(() => "", String);
        if (error !== complaint)
          log[error === "" ? "info" : "warn"]({ error }, error === "" ? "this node beats" : "this node's beat did not reach the storage");
        complaint = error;
      }
      await clock.sleep(DECIDE_MS, signal).catch(() => undefined);
    }
  }

  async function readWant(): Promise<void> {
    const reading = await storage.readWant();
    if (reading.kind === "ok") want = reading.want;
    if (reading.kind === "absent") want = NO_WANT;
  }

  async function decide(signal: AbortSignal): Promise<void> {
    const named = head.named();
    const before = decision;
    const raylet = life.view();
    decision = decideWorker({
      unbeatenMs: unbeatenMs(),
      selfFenceMs: times.selfFenceMs,
      nameTakenBy: name.takenBy(),
      want,
      dirt: sampler.facts().dirt,
      head: named.head,
      headWhy: named.why,
      answer: head.answer(),
      raylet,
      lastEnd: life.lastEnd(),
      attempts: attempts.length,
    });
    if (before.state !== decision.state || before.why?.code !== decision.why?.code)
      log.info({ from: before.state, to: decision.state, why: decision.why?.text ?? null }, "the node's state changed");
    if (raylet.kind === "running") life.askListed(signal);
    if (decision.act === "ask") head.ask(signal);
    if (decision.act === "end") life.end(SPREAD_MS);
    // Not before this node has once told that it is here, and knows what is wanted of it and what lives on it.
    if (decision.act === "start" && named.head !== null && told !== "" && sampler.facts().sampledAt !== null) {
      address = options.address ?? (await ownAddress(named.head.address));
      const { rayVersion } = named.head;
      life.start(named.head, { address, rayVersion, tokenFile: options.tokenFile(), python: options.python, shape: sampler.facts().shape });
    }
  }

  async function every(ms: number, what: string, act: () => Promise<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await act().catch((error: unknown) => signal.aborted || log.debug({ error: String(error) }, what));
      await clock.sleep(ms, signal).catch(() => undefined);
    }
  }

  async function leave(): Promise<void> {
    say({ code: "stopping", text: "the agent was stopped: the attempts on this node are asked to end" });
    const asked = await keeper.endLaunchers(times.drainMs);
    if (asked > 0) log.info({ launchers: asked }, "asked the launchers on this node to end their attempts");
    await keeper.end();
    say({ code: "stopped", text: "the agent was stopped; nothing of it runs here" });
    await beat().catch((error: unknown) => log.warn({ error: String(error) }, "the last beat did not reach the storage"));
  }

  function say(why: NodeWhy): void {
    decision = { state: "leaving", why, act: "none" };
  }

  async function run(signal: AbortSignal): Promise<void> {
    // What an earlier agent on this state directory left, where neither a namespace nor the kernel ended it.
    life.end(0);
    const beating = beatLoop(ending.signal);
    const loops = [
      every(LOOK_MS, "head.json can't be read now", head.look, signal),
      every(WANT_MS, "the wish for this node can't be read now", readWant, signal),
      every(SWEEP_MS, "the processes of attempts can't be looked at now", orphans.sweep, signal),
      every(SAMPLE_MS, "the node can't be sampled now", () => sampler.sample(attempts.length, clockOffsetMs, signal), signal),
      every(DECIDE_MS, "no decision", () => decide(signal), signal),
    ];
    await Promise.all(loops);
    await leave();
    ending.abort();
    await beating;
  }

  return { run, status: () => ({ record: recordNow(), unbeatenMs: unbeatenMs() }) };
}

/** What is worth a beat at once when it changes. */
function toldBy({ state, why, rayNodeId, incarnation, deadIncarnations }: NodeRecord): string {
  return JSON.stringify([state, why?.code ?? null, rayNodeId, incarnation, deadIncarnations.length]);
}

/** Our address on the way to `head` (`host:port`): a connected UDP socket has it, and nothing is sent. */
async function ownAddress(head: string): Promise<string> {
  const split = head.lastIndexOf(":");
  const host = head.slice(0, split).replace(/^\[(.*)\]$/, "$1");
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  try {
    socket.connect(Number(head.slice(split + 1)), host);
    await once(socket, "connect");
    return socket.address().address;
  } finally {
    socket.close();
  }
}
