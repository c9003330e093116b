/** Slow rather than special: without WAL each commit syncs three times. */
import { NETWORK_FILE } from "../support/databases.ts";
import { storeSuite } from "../support/store-suite.ts";

storeSuite(NETWORK_FILE);
