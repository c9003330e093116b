import { FILE, MEMORY } from "../../test/support/databases.ts";
import { storeSuite } from "../../test/support/store-suite.ts";

for (const database of [MEMORY, FILE]) storeSuite(database);
