/** Debian's Chromium, driven over CDP, with an eye on everything a page must never do. */
import { existsSync } from "node:fs";
import axe from "axe-core";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export const DESKTOP = { width: 1360, height: 860 } as const;
export const PHONE = { width: 390, height: 844 } as const;

export async function openBrowser(): Promise<Browser> {
  const executablePath = process.env["VERLPOOL_TEST_CHROMIUM"] ?? PLACES.find((path) => existsSync(path));
  if (executablePath === undefined) throw new Error("no Chromium: apt-get install chromium, or name one in VERLPOOL_TEST_CHROMIUM");
  return await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"] });
}

export type Watched = {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Dialogs, reports of the content security policy, errors in scripts, requests to anywhere else: each in words. */
  readonly misdeeds: readonly string[];
};

export type WatchOptions = {
  readonly size?: { readonly width: number; readonly height: number };
  readonly dark?: boolean;
  readonly locale?: string;
};

export async function openPage(browser: Browser, url: string, options: WatchOptions = {}): Promise<Watched> {
  const context = await browser.newContext({
    baseURL: url,
    viewport: options.size ?? DESKTOP,
    colorScheme: options.dark === true ? "dark" : "light",
    locale: options.locale ?? "en-GB",
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const misdeeds: string[] = [];
  page.on("dialog", (dialog) => {
    misdeeds.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("pageerror", (error) => misdeeds.push(`error: ${error.message}`));
  page.on("console", (message) => {
    // What the network answered is the test's own to judge.
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) misdeeds.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith("data:")) misdeeds.push(`request: ${request.url()}`);
  });
  await page.addInitScript(
    `document.addEventListener("securitypolicyviolation", (e) => console.error("policy: " + e.violatedDirective + " " + e.blockedURI + " " + e.sample));`,
  );
  return { page, context, misdeeds };
}

export async function signIn(page: Page, token: string, path = "/"): Promise<void> {
  await page.goto(path);
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

/** What a theme alone can break. */
export const COLOUR_RULES = ["color-contrast", "link-in-text-block"] as const;

/** What axe finds wrong, by the rules of WCAG 2.2 A and AA and its own best practices, or by those named: rule, and where. */
export async function axeViolations(page: Page, rules?: readonly string[]): Promise<readonly string[]> {
  // Through CDP, which no policy of the page holds back.
  if (!(await page.evaluate<boolean>(`"axe" in globalThis`))) await page.evaluate(axe.source);
  const runOnly =
    rules === undefined ? ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] : { type: "rule", values: [...rules] };
  const result = await page.evaluate(
    (only) => (globalThis as unknown as { axe: { run: (options: object) => Promise<AxeResult> } }).axe.run({ runOnly: only }),
    runOnly,
  );
  return result.violations.flatMap((one) => one.nodes.map((node) => `${one.id} at ${node.target.join(" ")}: ${node.failureSummary}`));
}

type AxeResult = {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary: string }[];
  }[];
};
