/** A page used without a mouse: from control to control by Tab, as somebody who can't use one does. */
import type { Page } from "playwright-core";

const MOST_TABS = 120;

/** What has the focus, as `role name`. */
async function focused(page: Page): Promise<{ readonly tag: string; readonly name: string }> {
  return await page.evaluate<{ tag: string; name: string }>(
    `(() => {
      const e = document.activeElement;
      if (e === null || e === document.body) return { tag: "", name: "" };
      const labels = e.labels ? [...e.labels].map((l) => l.textContent).join(" ") : "";
      return { tag: e.tagName.toLowerCase(), name: (e.getAttribute("aria-label") || labels || e.textContent || "").trim() };
    })()`,
  );
}

/** Presses Tab until the control of this name has the focus; throws with what it passed. */
export async function tabTo(page: Page, name: string | RegExp, tag?: string): Promise<void> {
  const passed: string[] = [];
  for (let n = 0; n < MOST_TABS; n += 1) {
    const at = await focused(page);
    const fits = typeof name === "string" ? at.name === name : name.test(at.name);
    if (fits && (tag === undefined || at.tag === tag)) return;
    passed.push(`${at.tag} ${at.name.slice(0, 40)}`);
    await page.keyboard.press("Tab");
  }
  throw new Error(`no control ${String(name)} by Tab; passed: ${[...new Set(passed)].join(" | ")}`);
}

export async function press(page: Page, name: string | RegExp, tag?: string): Promise<void> {
  await tabTo(page, name, tag);
  await page.keyboard.press("Enter");
}
