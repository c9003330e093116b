/** `verlpool doctor`: looks at everything that verlpool stands on, and says of each what it means and what to do. */
import { rm } from "node:fs/promises";
import { painter } from "../../cli/output.ts";
import type { DoctorOptions, OutputStream } from "../../cli/world.ts";
import { settingsOf } from "../../config/settings.ts";
import { type Check, fail } from "../../domain/doctor/check.ts";
import { clock, ids } from "../clock.ts";
import { startPeer, StorageSilent } from "../doctor/ask-peers.ts";
import { machineFindings } from "../doctor/machine-facts.ts";
import { poolFindings } from "../doctor/pool-facts.ts";
import { storageFindings } from "../doctor/storage-facts.ts";
import { type Environment, loadConfig } from "../load-config.ts";

const REMOVE_MS = 5_000;

/** Exit code 1 when any check failed; a warning is none. */
export async function doctorCommand(
  options: DoctorOptions,
  environment: Environment,
  stdout: OutputStream,
  signal: AbortSignal,
): Promise<number> {
  if (process.platform !== "linux") throw new Error("doctor needs Linux: run it on the machine of a server, a head or a worker");
  const flags = {
    ...(options.root === null ? {} : { shared_root: options.root }),
    ...(options.cluster === null ? {} : { "pool.cluster": options.cluster }),
  };
  const settings = settingsOf(loadConfig(options.config, flags, environment).config);
  const uid = process.getuid?.() ?? 0;
  const scratch = `${settings.sharedRoot}/common/verlpool/.doctor-${ids.hex(6)}`;
  const peers = [startPeer(), startPeer()] as const;
  const checks: Check[] = [];
  const tell = async (more: readonly Check[]): Promise<void> => {
    checks.push(...more);
    if (!options.json) for (const check of more) await stdout.write(textOf(check, environment, stdout));
  };
  try {
    const storage = await storageFindings(settings, scratch, peers, uid);
    await tell(storage.checks);
    await tell(await machineFindings(settings, environment, uid, signal));
    const { storageNowMs } = storage;
    if (storageNowMs !== null)
      await tell(await poolFindings({ settings, scratch, peer: peers[0], uid, storageNowMs, withJob: options.withJob }, signal));
  } catch (error) {
    if (!(error instanceof StorageSilent)) throw error;
    await tell([silent(settings.sharedRoot, error)]);
  } finally {
    for (const peer of peers) peer.close();
    // A hung mount must not hold us up.
    await Promise.race([
      rm(scratch, { recursive: true, force: true }).catch(() => undefined),
      clock.sleep(REMOVE_MS, signal).catch(() => undefined),
    ]);
  }
  const failed = checks.filter(({ status }) => status === "fail").length;
  const warned = checks.filter(({ status }) => status === "warn").length;
  if (options.json)
    await stdout.write(`${JSON.stringify({ root: settings.sharedRoot, cluster: settings.cluster, ok: failed === 0, checks })}\n`);
  else await stdout.write(`${checks.length - failed - warned} ok, ${warned} to look at, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

function silent(root: string, error: StorageSilent): Check {
  return fail(
    "mount",
    `${root}: ${error.message}`,
    "the mount hangs: every process that touches it waits; running tasks end when they can't renew their lease",
    "look at the storage server and the network (dmesg: `nfs: server not responding`); don't restart agents, they go on when it is back",
  );
}

const STYLES = { ok: "green", warn: "yellow", fail: "red" } as const;
const NAME_WIDTH = 18;

function textOf({ name, status, found, means, fix }: Check, environment: Environment, stdout: OutputStream): string {
  const paint = painter(environment, stdout);
  const rest = [
    ["means", means],
    ["do", fix],
  ].flatMap(([word, text]) => (text === null ? [] : [`      ${"".padEnd(NAME_WIDTH)}${paint("dim", (word ?? "").padEnd(6))}${text}\n`]));
  return `${paint(STYLES[status], status.padEnd(6))}${name.padEnd(NAME_WIDTH)}${found}\n${rest.join("")}`;
}
