/** The page in real Chromium against a real server, whose Ray is faked and whose launcher is real: what each of its users does, by keyboard alone. */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { DESKTOP, openBrowser, openPage, type Watched } from "../support/browser.ts";
import { type FakePool, makeFakePool } from "../support/fake-pool.ts";
import { type FakeRay, startFakeRay } from "../support/fake-ray.ts";
import { press, tabTo } from "../support/keyboard.ts";
import {
  ADMIN_TOKEN,
  api,
  endServerProcesses,
  entrypointRunner,
  type ServerProcess,
  startServerProcess,
} from "../support/server-process.ts";

let pool: FakePool;
let ray: FakeRay;
let server: ServerProcess;
let browser: Browser;
const opened: Watched[] = [];

beforeAll(async () => {
  pool = makeFakePool();
  const broken = join(pool.root, "common/code/verl-broken");
  cpSync(join(pool.root, "common/code/verl-fake"), broken, { recursive: true });
  const oom =
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.41 GiB. GPU 0 has a total capacity of 79.15 GiB of which 1.02 GiB is free.";
  const trace = `Traceback (most recent call last):\n  File "dp_actor.py", line 412, in update_policy\n    loss.backward()\n${oom}\n`;
  writeFileSync(
    join(broken, "verl/trainer/sft_trainer_ray.py"),
    `import sys\nfor n in range(400): print("warming up", n)\nprint(${JSON.stringify(trace)})\nsys.exit(1)\n`,
  );
  ray = await startFakeRay({ run: entrypointRunner() });
  ray.cluster.addNode("worker-1", "127.0.0.3", { CPU: 64, GPU: 4, worker_node: 100 });
  server = await startServerProcess({ root: pool.root, rayAddress: ray.baseUrl });
  browser = await openBrowser();
});

afterEach(async () => {
  const misdeeds = opened.flatMap((one) => one.misdeeds);
  await Promise.all(opened.splice(0).map((one) => one.context.close()));
  if (misdeeds.length > 0) throw new Error(misdeeds.join("\n"));
});

afterAll(async () => {
  await browser?.close();
  await endServerProcesses();
  pool?.letGo();
  await ray?.close();
  pool?.remove();
});

async function visit(path = "/"): Promise<Page> {
  const watched = await openPage(browser, server.url, { size: DESKTOP });
  opened.push(watched);
  await watched.page.goto(path);
  return watched.page;
}

async function enter(page: Page, token: string): Promise<void> {
  await tabTo(page, "Token", "input");
  await page.keyboard.insertText(token);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

async function tokenOf(userId: string): Promise<string> {
  await api(server, "POST", "/api/v2/users", { user_id: userId });
  return String((await api(server, "POST", `/api/v2/users/${userId}/tokens`, { name: "test" })).body["token"]);
}

/** The template's text with the paths of this pool. */
const mended = (text: string): string =>
  text
    .replace(/^code_path: .*/m, "code_path: /private/common/code/verl-fake")
    .replace(/^model_id: .*/m, "model_id: /private/common/models/tiny")
    .replace(/^(train_file|val_file): .*/gm, "$1: /private/common/datasets/train.parquet");

async function write(page: Page, text: string): Promise<void> {
  await tabTo(page, /TaskSpec \(YAML\)/, "textarea");
  await page.keyboard.press("Control+A");
  await page.keyboard.insertText(text);
}

test("an admin makes a user and hands over a token, which is shown once and opens the page for its user alone", async () => {
  const page = await visit("/admin");
  await enter(page, ADMIN_TOKEN);
  await tabTo(page, "User id", "input");
  await page.keyboard.insertText("carol");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "carol" }).waitFor();
  await tabTo(page, "Name", "input");
  await page.keyboard.insertText("laptop");
  await page.keyboard.press("Enter");
  const shown = page.getByRole("dialog").getByLabel("Token", { exact: true });
  await shown.waitFor();
  const token = await shown.inputValue();
  expect(token).toMatch(/^mvp_u_/);
  await press(page, "I have copied it");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  expect(await page.content()).not.toContain(token);

  const hers = await visit();
  await enter(hers, token);
  await hers.getByText("No tasks yet").waitFor();
  expect(await hers.getByRole("navigation", { name: "Main" }).innerText()).not.toContain("Admin");
  // A revoke ends the session, with words, within the second that the API promises and the page's own next look.
  await press(page, "Revoke");
  await page.getByRole("dialog", { name: "Revoke laptop?" }).waitFor();
  await press(page, "Revoke");
  await hers.getByText("Your session has ended").waitFor();
  expect(await hers.evaluate<string | null>(`sessionStorage.getItem("verlpool.token")`)).toBe(null);
});

test("a researcher mends a template's mistake, submits, watches it run live, follows the log, reads the curve, and is told the failure of another", async () => {
  const alice = await tokenOf("alice");
  pool.hold();
  const page = await visit();
  await enter(page, alice);
  await page.getByText("No tasks yet").waitFor();
  await page.keyboard.press("c");
  await page.getByRole("heading", { name: "New task" }).waitFor();
  await press(page, "SFT");
  const template = await page.getByRole("textbox", { name: /TaskSpec/ }).inputValue();
  await write(page, mended(template).replace("save_freq: 2", "save_freq: 0"));
  const line =
    mended(template)
      .split("\n")
      .findIndex((one) => one.startsWith("save_freq")) + 1;
  await page.getByRole("button", { name: new RegExp(`Line ${line} · save_freq`) }).waitFor();
  await page.getByText("1 mistake to mend").waitFor();
  // The mistake's own button leads to its place in the text.
  await press(page, new RegExp(`Line ${line} `));
  expect(await page.evaluate<string>("document.activeElement.tagName")).toBe("TEXTAREA");
  await write(page, mended(template));
  await page.getByText("Fits now").waitFor();
  await tabTo(page, "Name", "input");
  await page.keyboard.insertText("first");
  await expect.poll(() => page.getByRole("button", { name: "Submit" }).getAttribute("aria-disabled")).toBe("false");
  await press(page, "Submit");

  await page.getByRole("heading", { name: "first" }).waitFor();
  const badge = page.locator(".task-header .badge").first();
  await expect.poll(() => badge.innerText(), { timeout: 30_000 }).toBe("Running");
  await press(page, "Log", "a");
  await page.getByText("driver is up").waitFor();
  pool.letGo();
  await page.getByText("driver is done").waitFor();
  await expect.poll(() => badge.innerText(), { timeout: 30_000 }).toBe("Succeeded");
  await press(page, "Curves", "a");
  await page.getByRole("img", { name: /^train\/loss: 3 steps, last 0\.3333/ }).waitFor();

  await page.keyboard.press("c");
  await write(page, mended(template).replace("verl-fake", "verl-broken"));
  await tabTo(page, "Name", "input");
  await page.keyboard.insertText("second");
  await expect.poll(() => page.getByRole("button", { name: "Submit" }).getAttribute("aria-disabled")).toBe("false");
  await press(page, "Submit");
  await page.getByRole("heading", { name: "Why it failed" }).waitFor({ timeout: 40_000 });
  await expect.poll(() => page.locator(".diagnosis").innerText()).toMatch(/cuda_oom_train[\s\S]*What to do/);
  await page.getByLabel("Lines of the log").waitFor();
  await press(page, "Show it in the log", "a");
  await expect.poll(() => page.locator(".log-line.marked").innerText()).toContain("CUDA out of memory");
  // Back to the list, down two rows, and in by Enter.
  await page.keyboard.press("t");
  await page.getByRole("link", { name: "second" }).waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "first" }).waitFor();
});

test("a running task is canceled after a question, and another's task does not exist", async () => {
  const bob = await tokenOf("bob");
  pool.hold();
  const submitted = await api(server, "POST", "/api/v2/tasks?name=long", pool.spec(), {}, bob);
  const page = await visit(`/tasks/${String(submitted.body["task_id"])}`);
  await enter(page, bob);
  const badge = page.locator(".task-header .badge").first();
  await expect.poll(() => badge.innerText(), { timeout: 30_000 }).toBe("Running");
  await press(page, "Cancel task");
  await page.getByRole("dialog", { name: "Cancel this task?" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  expect(await badge.innerText()).toBe("Running");
  await page.keyboard.press("Enter");
  await tabTo(page, "Back");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expect.poll(() => badge.innerText(), { timeout: 30_000 }).toBe("Canceled");

  const stranger = await visit(`/tasks/${String(submitted.body["task_id"])}/log`);
  await enter(stranger, await tokenOf("dave"));
  await stranger.getByRole("heading", { name: "Task not found" }).waitFor();
  expect(await stranger.locator("main").innerText()).not.toContain("long");
});

test("while the server is away the page says so and keeps what it has, and goes on by itself", async () => {
  const erin = await tokenOf("erin");
  const page = await visit();
  await enter(page, erin);
  await page.getByText("No tasks yet").waitFor();
  server.child.kill("SIGKILL");
  await page.getByText("The server does not answer.").waitFor();
  expect(await page.getByText("No tasks yet").isVisible()).toBe(true);
  server = await startServerProcess({ root: pool.root, rayAddress: ray.baseUrl, port: new URL(server.url).port });
  await page.getByText("The server does not answer.").waitFor({ state: "detached" });
  await api(server, "POST", "/api/v2/tasks?name=back", pool.spec(), {}, erin);
  await page.getByRole("link", { name: "back" }).waitFor();
});

test("the first load of script is at most 150 KiB compressed", async () => {
  const watched = await openPage(browser, server.url);
  opened.push(watched);
  const sizes: Promise<number>[] = [];
  watched.page.on("response", (response) => {
    if (response.url().endsWith(".js"))
      sizes.push(
        response
          .request()
          .sizes()
          .then((one) => one.responseBodySize),
      );
  });
  await watched.page.goto("/");
  await enter(watched.page, ADMIN_TOKEN);
  await watched.page.getByRole("heading", { name: "Tasks" }).waitFor();
  const total = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  console.log(`first load of script: ${(total / 1024).toFixed(1)} KiB compressed`);
  expect(total).toBeGreaterThan(50_000);
  expect(total).toBeLessThan(150 * 1024);
  expect(readFileSync(join(import.meta.dirname, "../../web/index.html"), "utf8")).not.toMatch(/<script(?![^>]*src=)|style=/);
});
