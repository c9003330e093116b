/** Every view in real Chromium: by the rules of WCAG in both themes, with hostile names and logs, and with more than anybody has. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, CDPSession, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatSubmissionId } from "../../src/domain/ids.ts";
import { axeViolations, COLOUR_RULES, DESKTOP, openBrowser, openPage, PHONE, signIn } from "../support/browser.ts";
import { ADMIN_TOKEN, SPEC } from "../support/http-world.ts";
import { sampleNode } from "../support/node-samples.ts";
import { type Demo, seedDemo, VIEWS } from "../support/web-day.ts";
import { beginTask, endTask, manyTasks, type WebWorld, webWorld } from "../support/web-demo.ts";

/** What makes the document wider than its window: nothing may, on any device. */
async function tooWide(page: Page): Promise<readonly string[]> {
  return await page.evaluate<readonly string[]>(
    `document.documentElement.scrollWidth <= innerWidth ? [] :
      [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.tagName + "." + e.className)`,
  );
}

let browser: Browser;
beforeAll(async () => void (browser = await openBrowser()));
afterAll(() => browser?.close());

describe("a pool in the middle of its day", () => {
  let world: WebWorld;
  let demo: Demo;
  beforeAll(async () => {
    world = await webWorld();
    demo = await seedDemo(world);
  });
  afterAll(() => world?.close());

  test("axe finds nothing in any view: light and dark, wide and on a phone, English and Chinese", { timeout: 300_000 }, async () => {
    const { page, misdeeds, context } = await openPage(browser, world.url);
    await page.clock.setFixedTime(new Date(world.clock.now()));
    /** One look at what is shown now in each dress; only what a dress can change is looked at again in it. */
    const look = async (name: string): Promise<void> => {
      const check = async (dress: string, rules?: readonly string[]): Promise<void> => {
        expect(await axeViolations(page, rules), `${name}, ${dress}`).toEqual([]);
        expect(await tooWide(page), `${name}, ${dress}, is wider than its window`).toEqual([]);
      };
      await check("light, wide");
      const language = page.getByRole("banner").getByLabel("Language");
      if (await language.isVisible()) {
        await language.selectOption("zh");
        await check("Chinese");
        await page.getByRole("banner").getByLabel("语言").selectOption("en");
      }
      await page.emulateMedia({ colorScheme: "dark" });
      await check("dark, wide", COLOUR_RULES);
      await page.setViewportSize(PHONE);
      await check("dark, on a phone");
      await page.emulateMedia({ colorScheme: "light" });
      await check("light, on a phone", COLOUR_RULES);
      await page.setViewportSize(DESKTOP);
    };
    await page.goto("/");
    await look("sign-in");
    for (const role of ["user", "admin"] as const) {
      await page.evaluate(`sessionStorage.setItem("verlpool.token", "${role === "admin" ? ADMIN_TOKEN : demo.alice}")`);
      for (const view of VIEWS(demo).filter((one) => one.role === role)) {
        await page.goto(view.path);
        if (view.text !== undefined) await page.getByRole("textbox", { name: /TaskSpec/ }).fill(view.text);
        await page.getByText(view.shows).first().waitFor();
        await look(view.name);
      }
    }
    for (const button of ["Issue token", "Keyboard shortcuts"]) {
      await page.goto("/admin/users/bob");
      if (button === "Issue token") await page.getByLabel("Name", { exact: true }).fill("axe");
      await page.getByRole("button", { name: button }).click();
      await page.getByRole("dialog").waitFor();
      await look(button);
    }
    expect(misdeeds).toEqual([]);
    await context.close();
  });

  test("the page speaks Chinese where the browser does", async () => {
    const { page, misdeeds, context } = await openPage(browser, world.url, { locale: "zh-CN" });
    await page.goto("/");
    await page.getByLabel("令牌").fill(demo.alice);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "任务" }).waitFor();
    expect(await page.evaluate<string>("document.documentElement.lang")).toBe("zh-CN");
    expect(misdeeds).toEqual([]);
    await context.close();
  });
});

/** Each string of the security page's part on output, and what else is known to work somewhere. */
const HOSTILE = [
  "<img src=x onerror=alert(1)>",
  "</script><script>alert(1)</script>",
  "javascript:alert(1)",
  "{{7*7}}${7*7}",
  "=cmd|' /C calc'!A0",
  `"><svg/onload=alert(1)>`,
  "<iframe srcdoc='<script>alert(1)</script>'>",
  "<style>*{display:none}</style>",
  "<a href=javascript:alert(1) autofocus onfocus=alert(1)>x",
  "<details open ontoggle=alert(1)>",
  "<base href=//evil.example><form action=//evil.example><button>",
  "&lt;script&gt;alert(1)&lt;/script&gt;",
  "';alert(1)//\\';alert(1)//",
  "<math><mi xlink:href=data:x,alert(1)>",
  "<meta http-equiv=refresh content=0;url=//evil.example>",
];
/** As it is sent, and as it must read. */
const HOSTILE_LINES = [
  ["\u001b]0;pwn\u0007", "^[]0;pwn^G"],
  ["\u001b[2J\u001b[Hcleared", "^[[2J^[[Hcleared"],
  ["\u001b]52;c;cHduZWQ=\u0007", "^[]52;c;cHduZWQ=^G"],
  ["\u001b]8;;http://evil.example\u0007click\u001b]8;;\u0007", "^[]8;;http://evil.example^Gclick^[]8;;^G"],
  ["rm -rf /\rall is well", "↺1 all is well"],
  ["a\u202egnp.exe", "a‹U+202E›gnp.exe"],
  ["\u200b\u2066hidden\u2069", "‹U+200B›‹U+2066›hidden‹U+2069›"],
] as const;

test("hostile text is text in every view that shows it: no dialog, no report of the policy, no request elsewhere", async () => {
  const world = await webWorld();
  const alice = await world.user("alice");
  const [image = ""] = HOSTILE;
  const all = HOSTILE.join(" ");
  const ids: string[] = [];
  for (const text of HOSTILE) ids.push(await world.submit(alice, `# ${text}\n${SPEC}`, `?name=${encodeURIComponent(text)}`));
  const [id = ""] = ids;
  await world.call("POST", "/api/v2/users", ADMIN_TOKEN, { user_id: "mallory", display_name: image });
  await world.call("POST", "/api/v2/users/mallory/tokens", ADMIN_TOKEN, { name: "<b>token</b>" });
  const reason = HOSTILE.slice(0, 8).join(" ");
  expect((await world.call("POST", "/api/v2/queue:pause", ADMIN_TOKEN, { reason })).status).toBe(200);
  const silent = sampleNode("gpu-04", { state: "dirty", why: { code: "odd", text: all } });
  world.look({
    agents: [{ record: silent, movedAt: world.clock.monotonicMs() }],
    head: { kind: "down", error: all },
  });
  const failure = { label: "unknown", blame: "unknown", retryable: false, text: all, fix: all } as const;
  await beginTask(world, id, {
    log: [...HOSTILE, ...HOSTILE_LINES.map(([sent]) => sent)].join("\n"),
    metrics: [{ step: 1, data: Object.fromEntries(HOSTILE.map((text) => [text, 1])) }],
  });
  writeFileSync(join(world.root, "users/alice/jobs", formatSubmissionId(id, 1), "logs", "<img src=x onerror=alert(1)>.log"), "x");
  await endTask(world, id, "FAILED", { failure });

  const { page, misdeeds, context } = await openPage(browser, world.url);
  const shown = async (path: string, ...texts: readonly string[]): Promise<void> => {
    await page.goto(path);
    for (const text of texts) await expect.poll(() => page.locator("main").innerText(), { message: `${path}: ${text}` }).toContain(text);
  };
  await signIn(page, alice);
  await shown("/tasks", ...HOSTILE);
  await shown(`/tasks/${id}`, image, ...HOSTILE);
  await shown(`/tasks/${id}/curves`, image);
  await shown(`/tasks/${id}/spec`, `# ${image}`);
  await shown(`/tasks/${id}/files`, "<img src=x onerror=alert(1)>.log");
  await shown(`/tasks/${id}/log`, ...HOSTILE, ...HOSTILE_LINES.map(([, reads]) => reads));
  await shown("/pool", ...HOSTILE, reason);
  expect(
    await page
      .goto(`/tasks/${id}`)
      .then(() => page.getByRole("heading", { name: image }).waitFor())
      .then(() => page.title()),
  ).toContain("<img src=x");
  await page.goto(`/tasks/${encodeURIComponent(image)}`);
  await page.getByRole("heading", { name: "Task not found" }).waitFor();
  await page.goto("/new");
  await page.getByRole("textbox", { name: /TaskSpec/ }).fill(`${HOSTILE[0]}: 1\nworkload: "${HOSTILE[1]}"\n`);
  await page.getByText(/mistakes? to mend/).waitFor();
  await page.evaluate(`sessionStorage.setItem("verlpool.token", "${ADMIN_TOKEN}")`);
  await shown("/tasks", ...HOSTILE);
  await shown("/admin/users", image);
  await shown("/admin/users/mallory", image, "<b>token</b>");
  await shown("/admin/audit", "<b>token</b>", reason);
  expect(misdeeds).toEqual([]);
  await context.close();
  await world.close();
});

/** Tasks longer than this are felt. */
const LONG_MS = 50;

/** The lengths of the main thread's tasks while `work` is done, by Chromium's own trace. */
async function traced(page: Page, work: () => Promise<void>): Promise<readonly number[]> {
  const cdp: CDPSession = await page.context().newCDPSession(page);
  const lengths: number[] = [];
  cdp.on("Tracing.dataCollected", ({ value }) => {
    // Of the thread's own time, where the trace has it: on a busy machine a task also lasts while others run.
    for (const event of value as unknown as readonly { name: string; dur?: number; tdur?: number }[])
      if (event.name === "RunTask" && event.dur !== undefined) lengths.push((event.tdur ?? event.dur) / 1000);
  });
  await cdp.send("Tracing.start", {
    traceConfig: { includedCategories: ["disabled-by-default-devtools.timeline", "devtools.timeline", "toplevel"] },
  });
  await work();
  const done = new Promise<void>((resolve) => void cdp.once("Tracing.tracingComplete", () => resolve()));
  await cdp.send("Tracing.end");
  await done;
  return lengths;
}

function tell(what: string, lengths: readonly number[]): void {
  const long = lengths.filter((ms) => ms > LONG_MS);
  console.log(`${what}: ${lengths.length} tasks, longest ${Math.max(0, ...lengths).toFixed(1)} ms, ${long.length} over ${LONG_MS} ms`);
}

describe("more than anybody has", () => {
  let world: WebWorld;
  let alice: string;
  beforeAll(async () => {
    world = await webWorld();
    alice = await world.user("alice");
  });
  afterAll(() => world?.close());

  test("of 100 000 tasks the document holds those in sight, however far one scrolls", { timeout: 300_000 }, async () => {
    await manyTasks(world, alice, 100_000);
    const { page, misdeeds, context } = await openPage(browser, world.url);
    await signIn(page, alice);
    const rows = page.locator("[data-row]");
    await rows.first().waitFor();
    const most = async (): Promise<number> => await page.evaluate<number>("document.querySelectorAll('[role=row]').length");
    const lengths = await traced(page, async () => {
      for (let n = 0; n < 60; n += 1) {
        await page.mouse.wheel(0, 1_500);
        await page.waitForTimeout(30);
        expect(await most()).toBeLessThan(90);
      }
    });
    tell("a list of 100 000 tasks, 60 turns of the wheel", lengths);
    await page.keyboard.press("End");
    await expect.poll(async () => Number(await rows.last().getAttribute("data-row"))).toBeGreaterThan(300);
    expect(await most()).toBeLessThan(90);
    expect(misdeeds).toEqual([]);
    await context.close();
  });

  test("of a log of 1 000 000 lines likewise, and its last line, a search and a jump are there at once", { timeout: 300_000 }, async () => {
    const id = await world.submit(alice, undefined, "?name=long-log");
    await beginTask(world, id, { log: "" });
    await endTask(world, id, "SUCCEEDED");
    const lines = Array.from({ length: 1_000_000 }, (_, n) =>
      n === 654_320 ? "a NEEDLE in it" : `step:${n} - critic/rewards/mean:0.${n} - actor/entropy:1.${n} - response_length/mean:${n % 900}`,
    );
    writeFileSync(join(world.root, "users/alice/jobs", formatSubmissionId(id, 1), "logs/driver.log"), `${lines.join("\n")}\n`);
    const { page, misdeeds, context } = await openPage(browser, world.url);
    await signIn(page, alice, `/tasks/${id}/log`);
    await page.getByText("step:999999 ").waitFor();
    const most = async (): Promise<number> => await page.evaluate<number>("document.querySelectorAll('.log-line').length");
    const pane = page.getByRole("region", { name: /Log of/ });
    const lengths = await traced(page, async () => {
      for (let n = 0; n < 40; n += 1) {
        await pane.evaluate(`(box) => { box.scrollTop = (box.scrollHeight * ${n}) / 40; }`);
        await page.waitForTimeout(50);
        expect(await most()).toBeLessThan(80);
      }
    });
    tell("a log of 1 000 000 lines, dragged through in 40 steps", lengths);
    await page.getByRole("button", { name: "Start" }).click();
    await page.getByText("step:0 ").waitFor();
    await page.getByRole("searchbox", { name: "Search the log" }).fill("needle");
    const asked = performance.now();
    await page.keyboard.press("Enter");
    await page.locator(".log-line.marked", { hasText: "NEEDLE" }).waitFor();
    console.log(`found and shown in ${Math.round(performance.now() - asked)} ms`);
    expect(await most()).toBeLessThan(80);
    expect(misdeeds).toEqual([]);
    await context.close();
  });
});
