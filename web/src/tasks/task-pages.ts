/**
 * Tasks as they were read page by page, newest first, in a list of any length of which only the pages that are looked at are kept. A cursor stays
 * good for ever, so a page that was let go can be read again.
 */
import type { TaskSummaryWire } from "../../../src/contract/resources.ts";

type Row = TaskSummaryWire;

export type Pages = {
  /** Null = let go; its length is kept. */
  readonly pages: readonly { readonly cursor: string | null; readonly rows: readonly Row[] | null; readonly length: number }[];
  /** Of the page after the last; null = there is none. */
  readonly next: string | null;
};

export const NO_PAGES: Pages = { pages: [], next: null };

/** Pages kept on each side of the one that is looked at. */
const KEPT_AROUND = 8;

export function rowCount({ pages }: Pages): number {
  return pages.reduce((sum, page) => sum + page.length, 0);
}

/** The page that holds a row, and the row's place in it; null beyond the last. */
export function placeOf({ pages }: Pages, index: number): { readonly page: number; readonly at: number } | null {
  let left = index;
  for (const [page, one] of pages.entries()) {
    if (left < one.length) return { page, at: left };
    left -= one.length;
  }
  return null;
}

export function rowAt(pages: Pages, index: number): Row | null {
  const place = placeOf(pages, index);
  return place === null ? null : (pages.pages[place.page]?.rows?.[place.at] ?? null);
}

/** The answer to `cursor` (null = the first page) put in its place; others far from it are let go. */
export function withPage(before: Pages, cursor: string | null, rows: readonly Row[], next: string | null): Pages {
  const known = before.pages.findIndex((page) => page.cursor === cursor);
  const at = known === -1 ? before.pages.length : known;
  const others = new Set(before.pages.flatMap((page, n) => (n === at ? [] : (page.rows ?? []).map((row) => row.task_id))));
  const own = rows.filter((row) => !others.has(row.task_id));
  const pages = [...before.pages];
  pages[at] = { cursor, rows: own, length: own.length };
  return {
    pages: pages.map((page, n) => (Math.abs(n - at) <= KEPT_AROUND || n === 0 ? page : { ...page, rows: null })),
    next: known === -1 ? next : before.next,
  };
}

/** Rows as they are now, in their places; those that are not there are left out. */
export function withRows(before: Pages, rows: readonly Row[]): Pages {
  const fresh = new Map(rows.map((row) => [row.task_id, row]));
  return {
    ...before,
    pages: before.pages.map((page) =>
      page.rows === null || !page.rows.some((row) => fresh.has(row.task_id))
        ? page
        : { ...page, rows: page.rows.map((row) => fresh.get(row.task_id) ?? row) },
    ),
  };
}

/** Rows that no longer belong to the list. */
export function withoutRows(before: Pages, gone: ReadonlySet<string>): Pages {
  return {
    ...before,
    pages: before.pages.map((page) => {
      const rows = page.rows?.filter((row) => !gone.has(row.task_id));
      return rows === undefined || rows.length === page.length ? page : { ...page, rows, length: rows.length };
    }),
  };
}

/**
 * The newest rows, read anew from the top (`isAll`: there are no others): what they cover is as they say, what lies below stays. Null when they and
 * the first page have nothing in common: then more was made than fits a page, and the list begins anew.
 */
export function withNewest(before: Pages, newest: readonly Row[], isAll: boolean): Pages | null {
  if (isAll) return withPage(NO_PAGES, null, newest, null);
  const [first, ...rest] = before.pages;
  if (first === undefined || first.rows === null) return null;
  const ids = new Set(newest.map((row) => row.task_id));
  const covered = first.rows.findLastIndex((row) => ids.has(row.task_id));
  if (covered === -1) return null;
  const rows = [...newest, ...first.rows.slice(covered + 1)];
  const others = withoutRows({ pages: rest, next: before.next }, ids);
  return { pages: [{ ...first, rows, length: rows.length }, ...others.pages], next: before.next };
}

export function isKnown({ pages }: Pages, taskId: string): boolean {
  return pages.some((page) => page.rows?.some((row) => row.task_id === taskId) === true);
}
