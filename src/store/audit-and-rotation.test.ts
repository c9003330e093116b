import { it } from "vitest";
import { expectSchemaOneToMigrate } from "../../test/support/schema-one.ts";
import { openSqlite } from "./sqlite.ts";

it("rows of schema 1 say whom they concerned, and their tokens go on", async () => {
  const files = openSqlite(":memory:", false);
  await expectSchemaOneToMigrate(files.write, "sqlite");
  files.close();
});
