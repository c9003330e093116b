/** The list of tasks: rows that come, change, leave and were let go, in the order of the server. */
import { expect, test } from "vitest";
import type { TaskSummaryWire } from "../../src/contract/resources.ts";
import { readFilter, searchOf, statesOf, writeFilter } from "../../web/src/tasks/filter.ts";
import {
  isKnown,
  NO_PAGES,
  type Pages,
  rowAt,
  rowCount,
  withNewest,
  withoutRows,
  withPage,
  withRows,
} from "../../web/src/tasks/task-pages.ts";

const row = (n: number, state = "QUEUED"): TaskSummaryWire => ({ task_id: `t${n}`, state }) as TaskSummaryWire;
const down = (from: number, to: number): TaskSummaryWire[] => Array.from({ length: from - to + 1 }, (_, n) => row(from - n));
const idsOf = (pages: Pages): readonly (string | null)[] =>
  Array.from({ length: rowCount(pages) }, (_, n) => rowAt(pages, n)?.task_id ?? null);

/** t30 … t1 in pages of ten. */
function three(): Pages {
  let pages = withPage(NO_PAGES, null, down(30, 21), "c1");
  pages = withPage(pages, "c1", down(20, 11), "c2");
  return withPage(pages, "c2", down(10, 1), null);
}

test("pages stand in the order of their cursors, and the last has none after it", () => {
  expect(idsOf(three())).toEqual(down(30, 1).map((one) => one.task_id));
  expect(three().next).toBe(null);
});

test("new tasks come before all others, each once, and known ones are renewed", () => {
  const pages = withNewest(three(), [row(32), row(31), row(30, "RUNNING"), ...down(29, 23)], false);
  if (pages === null) throw new Error("the list was begun anew");
  expect(idsOf(pages)).toEqual(down(32, 1).map((one) => one.task_id));
  expect(rowAt(pages, 2)?.state).toBe("RUNNING");
});

test("what the newest rows no longer hold has left the list", () => {
  const pages = withNewest(three(), [row(31), ...down(30, 21).filter((one) => one.task_id !== "t27")], false);
  expect(pages === null ? null : idsOf(pages)).toEqual(
    ["t31", ...down(30, 28), ...down(26, 1)].map((one) => (typeof one === "string" ? one : one.task_id)),
  );
});

test("when more was made than a page holds, the list begins anew instead of hiding a gap", () => {
  expect(withNewest(three(), down(90, 81), false)).toBe(null);
  expect(withNewest(three(), down(90, 89), true)).toMatchObject({ next: null, pages: [{ length: 2 }] });
});

test("pages far from the one that is looked at are let go, keep their length, and come back", () => {
  let pages = NO_PAGES;
  for (let n = 0; n < 30; n += 1) pages = withPage(pages, n === 0 ? null : `c${n}`, down(1_000 - n * 10, 991 - n * 10), `c${n + 1}`);
  expect(rowCount(pages)).toBe(300);
  expect(pages.pages.filter((page) => page.rows !== null).length).toBeLessThanOrEqual(18);
  expect(rowAt(pages, 105)).toBe(null);
  expect(rowAt(withPage(pages, "c10", down(900, 891), "c11"), 105)?.task_id).toBe("t895");
});

test("rows change in their places and leave without a trace", () => {
  const changed = withRows(three(), [row(15, "FAILED"), row(99)]);
  expect([rowAt(changed, 15)?.state, isKnown(changed, "t99")]).toEqual(["FAILED", false]);
  expect(idsOf(withoutRows(changed, new Set(["t15"])))).not.toContain("t15");
});

test("an address says the filter, and a filter its address", () => {
  const filter = readFilter("?state=waiting&workload=ppo&user=bob&q=team%3Drl");
  expect(writeFilter(filter)).toBe("/tasks?state=waiting&workload=ppo&user=bob&q=team%3Drl");
  expect([statesOf(filter), searchOf(filter)]).toEqual([["QUEUED", "PENDING_RESOURCES"], { kind: "label", text: "team=rl" }]);
  expect(writeFilter(readFilter("?state=__proto__&workload=x"))).toBe("/tasks");
});
