/** Every control of the page by keyboard alone, and every view while its answer is on the way or is an error; in real Chromium. */
import type { Browser, Page, Route } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBrowser, openPage, type Watched } from "../support/browser.ts";
import { ADMIN_TOKEN } from "../support/http-world.ts";
import { focusedName, press, tabTo } from "../support/keyboard.ts";
import { type Demo, seedDemo, showPool } from "../support/web-day.ts";
import { type WebWorld, webWorld } from "../support/web-demo.ts";

let browser: Browser;
let world: WebWorld;
let demo: Demo;
beforeAll(async () => {
  browser = await openBrowser();
  world = await webWorld();
  demo = await seedDemo(world);
});
afterAll(async () => {
  await browser?.close();
  await world?.close();
});

async function signedIn(token: string, path: string): Promise<Watched> {
  const watched = await openPage(browser, world.url);
  await watched.page.addInitScript(`sessionStorage.setItem("verlpool.token", "${token}")`);
  await watched.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await watched.page.goto(path);
  return watched;
}

/** Opens a dialog by its button, leaves it by Escape, and finds the focus where it was; then goes through with it. */
async function through(page: Page, button: string, fill?: string): Promise<void> {
  await press(page, button, "button");
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  for (let n = 0; n < 8; n += 1) {
    await page.keyboard.press("Tab");
    expect(
      await page.evaluate<boolean>(`document.activeElement.closest("dialog") !== null || document.activeElement === document.body`),
    ).toBe(true);
  }
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  expect(await focusedName(page)).toBe(button);
  await page.keyboard.press("Enter");
  await dialog.waitFor();
  if (fill !== undefined) {
    await tabTo(page, "Reason, for those who wait", "input");
    await page.keyboard.insertText(fill);
  }
  await press(page, button, "button");
  await dialog.waitFor({ state: "detached" });
}

test(
  "a researcher finds, holds, searches, zooms, copies, downloads and retries without a mouse, and sees where the focus is",
  { timeout: 120_000 },
  async () => {
    const { page, misdeeds, context } = await signedIn(demo.alice, "/tasks");
    await page.getByRole("link", { name: "grpo-seed-2" }).waitFor();
    await page.keyboard.press("Tab");
    expect(await focusedName(page)).toBe("Skip to content");
    await page.keyboard.press("Enter");
    expect(await page.evaluate<string>("document.activeElement.id")).toBe("content");

    await page.keyboard.press("/");
    await page.keyboard.insertText("team=rl");
    await page.keyboard.press("Enter");
    await expect.poll(() => page.locator("[data-row]").allInnerTexts()).toEqual(["grpo-0.5b-gsm8k", "sft-base", "grpo-7b-long"]);
    await tabTo(page, "State", "select");
    await page.keyboard.type("Fa");
    await expect.poll(() => page.url()).toMatch(/state=FAILED&q=team%3Drl/);
    await expect.poll(() => page.locator("[data-row]").allInnerTexts()).toEqual(["grpo-7b-long"]);
    await tabTo(page, "grpo-7b-long", "a");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Why it failed" }).waitFor();
    // The row is gone; the next Tab goes on inside of the view that came.
    expect(await page.evaluate<string>("document.activeElement.id")).toBe("content");

    await page.goto(`/tasks/${demo.waiting}`);
    await page.getByRole("heading", { name: "ppo-7b-kl-0.02" }).waitFor();
    await through(page, "Hold");
    await page.getByText("Held", { exact: true }).waitFor();
    await through(page, "Release");
    await page.getByText("Held", { exact: true }).waitFor({ state: "detached" });
    await press(page, "Copy task id");
    await page.getByRole("status").filter({ hasText: "Copied" }).waitFor();
    expect(await page.evaluate<string>("navigator.clipboard.readText()")).toBe(demo.waiting);

    await page.goto(`/tasks/${demo.running}/log`);
    await page.getByText("global_step_60").waitFor();
    await page.keyboard.press("/");
    await page.keyboard.insertText("saved checkpoint");
    await page.keyboard.press("Enter");
    await page.locator(".log-line.marked", { hasText: "Saved checkpoint" }).waitFor();
    const first = await page.locator(".log-line.marked").getAttribute("data-line");
    await press(page, "Previous");
    await expect.poll(() => page.locator(".log-line.marked").getAttribute("data-line")).not.toBe(first);
    await tabTo(page, /^Log of attempt 1/, "div");
    await page.keyboard.press("PageUp");

    await page.goto(`/tasks/${demo.running}/curves`);
    await page.getByText("0.1347").waitFor();
    await press(page, "Zoom in");
    await page.getByText("steps 17 to 48").waitFor();
    await press(page, "Later steps");
    await page.getByText("steps 33 to 64").waitFor();
    await press(page, "All steps");
    await press(page, /^Metrics: 4 of 10/, "summary");
    await tabTo(page, "perf/throughput", "input");
    await page.keyboard.press("Space");
    await page.getByRole("img", { name: /^perf\/throughput/ }).waitFor();
    await press(page, "Values", "summary");
    await page.getByRole("columnheader", { name: "attempt 1" }).first().waitFor();

    await press(page, "Compare", "a");
    await tabTo(page, "Compare with", "input");
    await page.keyboard.insertText(demo.failed.slice(-8));
    await page.keyboard.press("Enter");
    await page.getByRole("img", { name: /^critic\/rewards\/mean: 64 steps, last grpo-0.5b-gsm8k 0.7273, grpo-7b-long 0\./ }).waitFor();
    expect(await page.getByRole("row", { name: /failure/ }).innerText()).toMatch(/–\s+cuda_oom_train/);
    await tabTo(page, /^also the \d+ that are the same/, "input");
    await page.keyboard.press("Space");
    await page.getByRole("row", { name: /code_path/ }).waitFor();

    await page.goto(`/tasks/${demo.running}/files`);
    await page.getByText("a01/logs/driver.log").waitFor();
    const file = page.waitForEvent("download");
    await press(page, "Download a01/logs/metrics.jsonl");
    expect((await file).suggestedFilename()).toBe("a01_logs_metrics.jsonl");

    await page.goto(`/tasks/${demo.failed}`);
    await page.getByRole("heading", { name: "Why it failed" }).waitFor();
    await press(page, "Retry", "button");
    await tabTo(page, /^Begin anew/, "input");
    await page.keyboard.press("Space");
    await press(page, "Retry", "button");
    await page.locator(".badge", { hasText: "Queued" }).first().waitFor();
    expect(page.url()).not.toContain(demo.failed);

    await page.keyboard.press("?");
    await tabTo(page, "Single-key shortcuts are on", "input");
    await page.keyboard.press("Space");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.keyboard.press("p");
    expect(page.url()).toContain("/tasks/");
    await press(page, "Sign out");
    await page.getByLabel("Token").waitFor();
    expect(await page.evaluate<string>("document.activeElement.type")).toBe("password");
    expect(misdeeds).toEqual([]);
    await context.close();
  },
);

test(
  "an operator issues and copies a token, sets limits, disables, pauses, drains and audits without a mouse",
  { timeout: 120_000 },
  async () => {
    const { page, misdeeds, context } = await signedIn(ADMIN_TOKEN, "/admin/users/bob");
    await page.getByRole("heading", { name: "bob" }).waitFor();
    await tabTo(page, "Name", "input");
    await page.keyboard.insertText("laptop");
    await page.keyboard.press("Enter");
    const token = page.getByRole("dialog").getByLabel("Token", { exact: true });
    await token.waitFor();
    const secret = await token.inputValue();
    await press(page, "Copy Token");
    await page.getByRole("dialog").getByRole("status").filter({ hasText: "Copied" }).waitFor();
    expect(await page.evaluate<string>("navigator.clipboard.readText()")).toBe(secret);
    await press(page, "I have copied it");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await tabTo(page, "GPUs", "input");
    await page.keyboard.press("Control+A");
    await page.keyboard.insertText("16");
    await press(page, "Save limits");
    await page.getByText("Saved", { exact: true }).waitFor();
    await through(page, "Disable");
    await page.getByText("disabled", { exact: true }).waitFor();
    await through(page, "Enable");
    await page.getByText("active", { exact: true }).waitFor();

    showPool(world);
    await page.goto("/pool");
    await page.getByRole("heading", { name: "gpu-01" }).waitFor();
    await through(page, "Pause the queue", "new switch firmware");
    await page.getByText("Paused by admin. new switch firmware").waitFor();
    await press(page, "Resume the queue");
    await page.getByText("Paused by admin.").waitFor({ state: "detached" });
    await through(page, "Drain", "fan is loud");
    await page.getByText("wanted by admin: fan is loud").waitFor();
    await through(page, "Uncordon");
    await page.getByText("wanted by admin:").waitFor({ state: "detached" });

    await page.goto("/admin/audit");
    await page.getByText("node.drain").waitFor();
    await tabTo(page, "Target", "input");
    await page.keyboard.insertText("gpu-01");
    await page.keyboard.press("Enter");
    await expect.poll(() => page.locator("tbody tr").count()).toBe(2);
    expect(misdeeds).toEqual([]);
    await context.close();
  },
);

const WRONG = JSON.stringify({
  type: "about:blank",
  title: "Conflict",
  status: 409,
  code: "wrong_state",
  detail: "the shelf is being moved",
});

test("each view says that it loads, what went wrong, and is whole again when it is asked again", { timeout: 120_000 }, async () => {
  const running = `/tasks/${demo.running}`;
  const views: readonly (readonly [path: string, api: RegExp, token: string, whole: string | RegExp])[] = [
    ["/tasks", /\/api\/v2\/tasks\?/, demo.alice, "grpo-seed-2"],
    [running, /\/api\/v2\/tasks\/[^/]+$/, demo.alice, "grpo-0.5b-gsm8k"],
    [running, /\/api\/v2\/.*\/why$/, demo.alice, /^It runs/],
    [running, /\/api\/v2\/.*\/events/, demo.alice, "Queued → Submitting"],
    [`${running}/log`, /\/api\/v2\/.*\/logs/, demo.alice, "global_step_60"],
    [`${running}/curves`, /\/api\/v2\/.*\/curves/, demo.alice, "0.1347"],
    [`${running}/files`, /\/api\/v2\/.*\/artifacts$/, demo.alice, "a01/logs/driver.log"],
    [`${running}/spec`, /\/api\/v2\/.*\/spec$/, demo.alice, "workload: grpo"],
    ["/pool", /\/api\/v2\/nodes/, demo.alice, "gpu-01"],
    ["/pool", /\/api\/v2\/usage/, demo.alice, "GPU-h"],
    ["/admin/users", /\/api\/v2\/users\?/, ADMIN_TOKEN, "alice"],
    ["/admin/users/bob", /\/api\/v2\/.*\/tokens/, ADMIN_TOKEN, "in force"],
    ["/admin/audit", /\/api\/v2\/audit/, ADMIN_TOKEN, "user.create"],
  ];
  for (const token of [demo.alice, ADMIN_TOKEN]) {
    const { page, context } = await signedIn(token, "/pool");
    for (const [path, api, of, whole] of views) {
      if (of !== token) continue;
      let held: Route | null = null;
      await page.route(api, (route) =>
        held === null ? void (held = route) : route.fulfill({ status: 409, body: WRONG, contentType: "application/problem+json" }),
      );
      await page.goto(path);
      await page.locator("main .spinner").first().waitFor();
      await expect.poll(() => held).not.toBe(null);
      await (held as Route | null)?.fulfill({ status: 409, body: WRONG, contentType: "application/problem+json" });
      await page.getByText("the shelf is being moved").first().waitFor();
      await page.unroute(api);
      await page.getByRole("button", { name: "Try again" }).first().click();
      await page.locator("main").getByText(whole).first().waitFor();
      await page.getByText("the shelf is being moved").first().waitFor({ state: "detached" });
    }
    await context.close();
  }
});
