/** A long history for a server that is not running: one ended task of its database, many times over, with its attempts and events. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

export function addEndedTasks(root: string, taskId: string, count: number): void {
  const db = new DatabaseSync(join(root, "common/db/mvp.sqlite3"));
  try {
    const id = "'mvp2-alice-sft-20250101-000000-' || printf('%08x', n)";
    const reversed = Array.from({ length: 8 }, (_, place) => `substr(printf('%08x', n), ${8 - place}, 1)`).join(" || ");
    const backwards = `${reversed} || '-000000-10105202-tfs-ecila-2pvm'`;
    db.exec("begin");
    copyRows(db, "tasks", taskId, count, { task_id: id, id_reversed: backwards, seq: "(select max(seq) from tasks) + n" });
    copyRows(db, "attempts", taskId, count, { task_id: id, submission_id: `${id} || '--a' || printf('%02d', t.attempt)` });
    copyRows(db, "events", taskId, count, { task_id: id });
    db.exec("commit");
  } finally {
    db.close();
  }
}

/** Every row of the task, `count` times, with other values in the columns that name it. */
function copyRows(db: DatabaseSync, table: string, taskId: string, count: number, changed: { readonly [column: string]: string }): void {
  const columns = db
    .prepare(`select name from pragma_table_info('${table}')`)
    .all()
    .map(({ name }) => String(name));
  const values = columns.map((column) => changed[column] ?? `t.${column}`);
  const statement = `with recursive counter(n) as (select 1 union all select n + 1 from counter where n < ?)
    insert into ${table} (${columns.join(", ")}) select ${values.join(", ")} from ${table} t, counter where t.task_id = ?`;
  db.prepare(statement).run(count, taskId);
}
