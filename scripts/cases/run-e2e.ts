/** scripts/run_e2e_v25_cases.sh */
import { stubTrainees } from "../../test/support/stub-trainer/stub-root.ts";
import { makeCluster, rebuild } from "./cluster.ts";
import { e2eCases } from "./e2e-cases.ts";
import { happyPath } from "./happy-path.ts";
import { createReport } from "./report.ts";
import { caseSettings } from "./settings.ts";

/** Waits that are minutes in production are seconds here; each interval keeps its order to the others. */
const TUNING = {
  VERLPOOL_SCHEDULER_MAX_RUNNING_TASKS: "2",
  VERLPOOL_SCHEDULER_RETRY_INTERVAL_S: "5",
  VERLPOOL_SCHEDULER_TICK_S: "0.3",
  VERLPOOL_ATTEMPTS_BACKOFF_S: "1",
  VERLPOOL_LEASE_BEAT_S: "1",
  VERLPOOL_LEASE_GRACE_S: "5",
};

const settings = caseSettings(process.env, false);
const report = createReport();
const cluster = await makeCluster(settings, TUNING);
await rebuild(cluster, report);
if (report.exitCode() === 0) {
  const trainee = stubTrainees(settings.root, `stub-${process.pid}`);
  await happyPath(cluster, report, settings.trainer === "stub" ? trainee : null);
  await e2eCases(cluster, report, trainee);
}
if (settings.keep) console.error(`the cluster goes on; end it with: verlpool clean --root ${settings.root}`);
else {
  await report.run("clean again", async () => {
    await cluster.command.run("clean", "--root", settings.root);
    const again = await cluster.command.run("clean", "--root", settings.root);
    if (!again.includes("nothing to clean")) throw new Error(`a second clean found more: ${again}`);
    return "nothing is left";
  });
}
report.print();
process.exitCode = report.exitCode();
