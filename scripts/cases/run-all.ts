/** scripts/run_all_v25_api.sh */
import { makeCluster, rebuild } from "./cluster.ts";
import { happyPath } from "./happy-path.ts";
import { createReport } from "./report.ts";
import { caseSettings } from "./settings.ts";
import { stubTrainees } from "../../test/support/stub-trainer/stub-root.ts";

const settings = caseSettings(process.env, true);
const report = createReport();
const cluster = await makeCluster(settings, { VERLPOOL_SCHEDULER_MAX_RUNNING_TASKS: "2" });
await rebuild(cluster, report);
if (report.exitCode() === 0)
  await happyPath(cluster, report, settings.trainer === "stub" ? stubTrainees(settings.root, `stub-${process.pid}`) : null);
if (settings.keep) console.error(`the cluster goes on; end it with: verlpool clean --root ${settings.root}`);
else
  await report.run(
    "clean again",
    async () => (await cluster.command.run("clean", "--root", settings.root)).trim().split("\n").at(-1) ?? "",
  );
report.print();
process.exitCode = report.exitCode();
