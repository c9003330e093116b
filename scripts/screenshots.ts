/**
 * `npm run screenshots [NAME…]`: every view of the page in light and dark, on a desktop and on a phone, into .cache/screenshots; those that README
 * and docs/web.md show also into docs/screenshots. Needs Chromium.
 */
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { openBrowser, openPage, PHONE } from "../test/support/browser.ts";
import { ADMIN_TOKEN } from "../test/support/http-world.ts";
import { seedDemo, showPool, VIEWS } from "../test/support/web-day.ts";
import { webWorld } from "../test/support/web-demo.ts";
import { root } from "./steps.ts";

const SHOWN = [
  "tasks-light-desktop",
  "tasks-zh-light-desktop",
  "task-failed-light-desktop",
  "log-dark-phone",
  "curves-light-desktop",
  "new-plan-light-desktop",
  "compare-light-desktop",
  "admin-pool-dark-desktop",
  "tasks-dark-phone",
  "curves-dark-phone",
];

const CHINESE = ["tasks", "task", "task-failed", "new-plan", "admin-pool", "admin-user", "curves"];

/** Small enough for a repository to carry. */
const DESKTOP = { width: 1120, height: 700 };

/** Until nothing is on its way any more: neither a part of the page nor an answer. */
async function whole(page: Page): Promise<void> {
  await page.locator("main h1, main .face").first().waitFor();
  await page.locator(".spinner, [aria-busy=true]").first().waitFor({ state: "detached" });
}

const wanted = process.argv.slice(2);
const all = join(root, ".cache", "screenshots");
const shown = join(root, "docs", "screenshots");
for (const folder of [all, shown]) mkdirSync(folder, { recursive: true });

const world = await webWorld();
const demo = await seedDemo(world);
const browser = await openBrowser();
try {
  for (const [device, size] of Object.entries({ desktop: DESKTOP, phone: PHONE }))
    for (const dark of [false, true]) {
      const { page, misdeeds, context } = await openPage(browser, world.url, { dark, size });
      // The demo's day is another than today.
      await page.clock.setFixedTime(new Date(world.clock.now()));
      const shoot = async (name: string): Promise<void> => {
        const file = `${name}-${dark ? "dark" : "light"}-${device}`;
        await page.screenshot({ path: join(all, `${file}.png`) });
        if (SHOWN.includes(file)) copyFileSync(join(all, `${file}.png`), join(shown, `${file}.png`));
      };
      await page.goto("/");
      await page.getByLabel("Token").waitFor();
      await shoot("sign-in");
      for (const view of VIEWS(demo)) {
        if (wanted.length > 0 && !wanted.includes(view.name)) continue;
        await page.evaluate(`sessionStorage.setItem("verlpool.token", "${view.role === "admin" ? ADMIN_TOKEN : demo.alice}")`);
        showPool(world);
        await page.goto(view.path);
        if (view.text !== undefined) await page.getByRole("textbox", { name: /TaskSpec/ }).fill(view.text);
        await page.getByText(view.shows).first().waitFor();
        await whole(page);
        await shoot(view.name);
      }
      // In Chinese the same, where the words are the longest and the most.
      if (!dark)
        for (const view of VIEWS(demo).filter(({ name }) => CHINESE.includes(name))) {
          await page.evaluate(`localStorage.setItem("verlpool.language", "zh")`);
          await page.evaluate(`sessionStorage.setItem("verlpool.token", "${view.role === "admin" ? ADMIN_TOKEN : demo.alice}")`);
          showPool(world);
          await page.goto(view.path);
          if (view.text !== undefined) await page.getByRole("textbox", { name: /TaskSpec/ }).fill(view.text);
          await whole(page);
          await shoot(`${view.name}-zh`);
        }
      if (misdeeds.length > 0) throw new Error(misdeeds.join("\n"));
      await context.close();
    }
} finally {
  await browser.close();
  await world.close();
}
console.log(`${all}\n${shown}`);
