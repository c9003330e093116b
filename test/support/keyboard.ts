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

/** Whether it can be seen what has the focus: an outline on it, or the mark of the box that it stands in. */
async function isShown(page: Page): Promise<boolean> {
  return await page.evaluate<boolean>(
    `(() => {
      const marked = (e) => { const s = getComputedStyle(e); return s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 1; };
      const e = document.activeElement;
      return marked(e) || [...document.querySelectorAll(".editor-box:focus-within")].some(marked);
    })()`,
  );
}

/** The name of what has the focus now. */
export async function focusedName(page: Page): Promise<string> {
  return (await focused(page)).name;
}

/** Presses Tab until the control of this name has the focus; throws with what it passed. */
export async function tabTo(page: Page, name: string | RegExp, tag?: string): Promise<void> {
  const passed: string[] = [];
  for (let n = 0; n < MOST_TABS; n += 1) {
    const at = await focused(page);
    const fits = typeof name === "string" ? at.name === name : name.test(at.name);
    if (fits && (tag === undefined || at.tag === tag)) {
      if (!(await isShown(page))) throw new Error(`nothing shows that ${at.tag} ${at.name} has the focus`);
      return;
    }
    passed.push(`${at.tag} ${at.name.slice(0, 40)}`);
    await page.keyboard.press("Tab");
  }
  throw new Error(`no control ${String(name)} by Tab; passed: ${[...new Set(passed)].join(" | ")}`);
}

export async function press(page: Page, name: string | RegExp, tag?: string): Promise<void> {
  await tabTo(page, name, tag);
  await page.keyboard.press("Enter");
}
