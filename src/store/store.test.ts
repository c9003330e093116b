import { FILE, MEMORY, NETWORK_FILE } from "../../test/support/databases.ts";
import { storeSuite } from "../../test/support/store-suite.ts";

for (const database of [MEMORY, FILE, NETWORK_FILE]) storeSuite(database);
