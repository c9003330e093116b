/** What must hold beside the happy path, each a case of its own. The trainer is the stub: here verl itself adds nothing. */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Api } from "../../src/cli/client.ts";
import type { TaskWire } from "../../src/contract/resources.ts";
import { overlapOf, startedTwice, type StubRoot, type Trainee } from "../../test/support/stub-trainer/stub-root.ts";
import { clientOf, eventually, expectEqual, submit, succeeded, taskOf, until, userOf } from "./api.ts";
import type { Cluster } from "./cluster.ts";
import type { Report } from "./report.ts";

const MS = 240_000;

type Raw = { readonly status: number; readonly text: string; readonly headers: Headers };

export async function e2eCases(cluster: Cluster, report: Report, trainee: StubRoot["trainee"]): Promise<void> {
  const url = cluster.url();
  const admin = clientOf(url, cluster.settings.token);
  const alice = await userOf(admin, url, "alice");
  const bob = await userOf(admin, url, "bob");

  async function raw(method: string, path: string, token: string | null, body: string | null = null): Promise<Raw> {
    const headers = {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === null ? {} : { "content-type": "application/yaml" }),
    };
    const answer = await fetch(`${url}${path}`, { method, headers, ...(body === null ? {} : { body }) });
    return { status: answer.status, text: await answer.text(), headers: answer.headers };
  }

  function detailOf({ status, text }: Raw): readonly [number, string] {
    return [status, (JSON.parse(text) as { readonly detail: string }).detail];
  }

  /** Runs until it is told to go on. */
  async function runningTask(api: Api): Promise<{ readonly id: string; readonly one: Trainee }> {
    const one = trainee({ gate: true });
    const id = await submit(api, one.spec);
    await until(api, id, "RUNNING", ({ state }) => state === "RUNNING", MS);
    return { id, one };
  }

  async function cancel(api: Api, id: string): Promise<TaskWire> {
    await api.call("cancelTask", { path: { task_id: id } });
    return eventually(
      `${id} is CANCELED`,
      async () => {
        const task = await taskOf(api, id);
        return task.state === "CANCELED" ? task : null;
      },
      MS,
    );
  }

  await report.run("auth: no token, a wrong one, a user where the admin is needed", async () => {
    expectEqual("without a token", detailOf(await raw("GET", "/api/v2/tasks", null)), [401, "missing bearer token"]);
    expectEqual("with a wrong token", detailOf(await raw("GET", "/api/v2/tasks", "mvp_u_wrong")), [401, "invalid token"]);
    expectEqual("a user lists users", detailOf(await raw("GET", "/api/v2/users", alice.token)), [403, "admin required"]);
    return "401, 401, 403";
  });

  await report.run("auth: a disabled user, a revoked token", async () => {
    const carol = await userOf(admin, url, "carol");
    await admin.call("disableUser", { path: { user_id: "carol" } });
    const disabled = detailOf(await raw("GET", "/api/v2/tasks", carol.token));
    await admin.call("enableUser", { path: { user_id: "carol" } });
    expectEqual("while disabled", disabled, [403, "user disabled"]);
    const { value } = await admin.call("listTokens", { path: { user_id: "carol" } });
    for (const { token_id } of value.tokens) await admin.call("revokeToken", { path: { user_id: "carol", token_id } });
    expectEqual("after the revoke", detailOf(await raw("GET", "/api/v2/tasks", carol.token)), [401, "invalid token"]);
    return "403, 401";
  });

  await report.run("isolation: another user's task is a missing task", async () => {
    const id = await submit(alice, trainee().spec);
    const missing = id.replace(/[0-9a-f]{8}$/, "ffffffff");
    const digest = async (one: Raw): Promise<string> => {
      const headers = [...one.headers].filter(([name]) => !["date", "x-request-id"].includes(name));
      return createHash("sha256")
        .update(JSON.stringify([one.status, headers.sort(([a], [b]) => a.localeCompare(b)), one.text]))
        .digest("hex");
    };
    for (const [method, part] of [
      ["GET", ""],
      ["GET", "/logs"],
      ["GET", "/events"],
      ["GET", "/spec"],
      ["POST", ":cancel"],
    ] as const) {
      const [his, none] = [
        await raw(method, `/api/v2/tasks/${id}${part}`, bob.token),
        await raw(method, `/api/v2/tasks/${missing}${part}`, bob.token),
      ];
      expectEqual(`${method} ${part} of another's task`, detailOf(his), [404, "task not found"]);
      expectEqual(`${method} ${part} in bytes`, await digest(his), await digest(none));
    }
    const seen = (await bob.call("listTasks")).value.tasks.filter(({ user_id }) => user_id !== "bob");
    expectEqual("what bob's list shows of others", seen, []);
    await succeeded(alice, id, MS);
    return "404, byte for byte";
  });

  await report.run("bad input is refused with field and line", async () => {
    const { spec } = trainee();
    const refused = async (text: string): Promise<readonly [number, string]> => {
      const { status, text: body } = await raw("POST", "/api/v2/tasks", alice.token, text);
      const [error] = (JSON.parse(body) as { readonly errors?: readonly { readonly field: string }[] }).errors ?? [];
      return [status, error?.field ?? ""];
    };
    expectEqual("an unknown field", await refused(`${spec}trainer.logger: wandb\n`), [400, "trainer.logger"]);
    expectEqual("a path outside", await refused(spec.replace(/code_path: .*/, "code_path: /private/users/bob")), [400, "code_path"]);
    expectEqual("a shell's words", await refused(spec.replace(/train_file: .*/, "train_file: /private/common/x; reboot")), [
      400,
      "train_file",
    ]);
    expectEqual("a missing file", await refused(spec.replace(/train_file: .*/, "train_file: /private/common/datasets/none.parquet")), [
      422,
      "train_file",
    ]);
    expectEqual("half a GPU", await refused(spec.replace(/n_gpus_per_node: .*/, "n_gpus_per_node: 0.5")), [400, "n_gpus_per_node"]);
    return "400 and 422";
  });

  await report.run("shortage: PENDING_RESOURCES, and it runs when a worker is added", async () => {
    const gpus = cluster.settings.gpusPerWorker + 1;
    const id = await submit(alice, trainee({}, { gpus }).spec);
    const waits = await until(alice, id, "PENDING_RESOURCES", ({ state }) => state === "PENDING_RESOURCES", MS);
    if (waits.next_run_at === null) throw new Error("it says no next_run_at");
    await cluster.startWorker(cluster.settings.workers + 1, gpus);
    const { attempts } = await succeeded(alice, id, MS);
    expectEqual("attempts", attempts, 1);
    return `waited as ${waits.waiting?.code ?? "?"}`;
  });

  await report.run("cancel while QUEUED", async () => {
    await admin.call("pauseQueue", { json: { reason: "case" } });
    try {
      const id = await submit(alice, trainee().spec);
      expectEqual("state", (await taskOf(alice, id)).state, "QUEUED");
      expectEqual("attempts", (await cancel(alice, id)).attempts, 0);
    } finally {
      await admin.call("resumeQueue");
    }
    return "no attempt was made";
  });

  await report.run("cancel while PENDING_RESOURCES", async () => {
    const id = await submit(alice, trainee({}, { gpus: 64 }).spec);
    await until(alice, id, "PENDING_RESOURCES", ({ state }) => state === "PENDING_RESOURCES", MS);
    expectEqual("attempts", (await cancel(alice, id)).attempts, 0);
    return "no attempt was made";
  });

  await report.run("cancel while it is being submitted", async () => {
    const one = trainee({ gate: true });
    const id = await submit(alice, one.spec);
    const { state } = await until(alice, id, "with an attempt", ({ attempts }) => attempts > 0, MS);
    await cancel(alice, id);
    const signs = one.signs().length;
    await sleep(2_000);
    expectEqual("signs of life after CANCELED", one.signs().length - signs, 0);
    return `it was ${state}`;
  });

  await report.run("cancel while RUNNING", async () => {
    const { id, one } = await runningTask(alice);
    await cancel(alice, id);
    const signs = one.signs().length;
    await sleep(2_000);
    expectEqual("signs of life after CANCELED", one.signs().length - signs, 0);
    return "nothing of it runs on";
  });

  await report.run("cancel of an ended task changes nothing", async () => {
    const id = await submit(alice, trainee().spec);
    await succeeded(alice, id, MS);
    await alice.call("cancelTask", { path: { task_id: id } });
    expectEqual("state", (await taskOf(alice, id)).state, "SUCCEEDED");
    return "SUCCEEDED stays";
  });

  await report.run("head restart: the running task goes on", async () => {
    const { id, one } = await runningTask(alice);
    await cluster.command.run("stop", "head", "--root", cluster.settings.root);
    await cluster.startHead();
    await eventually("the head is up", async () => ((await admin.call("listNodes")).value.head.state === "up" ? true : null), MS);
    one.go();
    const { attempts } = await succeeded(alice, id, MS);
    expectEqual("attempts", attempts, 1);
    expectEqual("attempts that lived twice", startedTwice(one.signs()), []);
    return "one attempt";
  });

  await report.run("worker loss: a new attempt, never two at once", async () => {
    const { id, one } = await runningTask(alice);
    await killWorker(cluster, (await taskOf(alice, id)).attempt?.node ?? "");
    await until(alice, id, "in its second attempt", ({ attempts }) => attempts === 2, MS);
    one.go();
    const { attempts } = await succeeded(alice, id, MS);
    expectEqual("attempts", attempts, 2);
    expectEqual("seconds for which two attempts lived at once", overlapOf(one.signs()), 0);
    return "two attempts, one after the other";
  });
}

/** SIGKILL to the agent, as the kernel does when memory is short: its Ray dies with it or is ended by the next one. */
async function killWorker(cluster: Cluster, node: string): Promise<void> {
  const flags = ["--root", cluster.settings.root, "--node-name", node, "--json"];
  const { stdout } = await cluster.command.ask("status", "worker", ...flags);
  const { agents } = JSON.parse(stdout) as { readonly agents: readonly { readonly pid: number | null }[] };
  const pid = agents[0]?.pid ?? null;
  if (pid === null) throw new Error(`no agent of ${node} runs`);
  process.kill(pid, "SIGKILL");
}
