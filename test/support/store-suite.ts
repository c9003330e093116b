/** What every database must do for the store, in the words of its port. */
import { describe } from "vitest";
import type { TestDatabase } from "./databases.ts";
import { storeFixture } from "./store-fixture.ts";
import { auditSuite } from "./store-suite-audit.ts";
import { changeSuite } from "./store-suite-changes.ts";
import { lifeSuite } from "./store-suite-life.ts";
import { nodeSuite } from "./store-suite-nodes.ts";
import { queueSuite } from "./store-suite-queue.ts";
import { readSuite } from "./store-suite-reads.ts";
import { retentionSuite } from "./store-suite-retention.ts";
import { submissionSuite } from "./store-suite-submissions.ts";
import { usageSuite } from "./store-suite-usage.ts";
import { userSuite } from "./store-suite-users.ts";

export function storeSuite(database: TestDatabase): void {
  describe(`store on ${database.name}`, () => {
    const on = storeFixture(database);
    submissionSuite(on);
    changeSuite(on);
    readSuite(on);
    userSuite(on);
    auditSuite(on);
    queueSuite(on);
    nodeSuite(on);
    usageSuite(on);
    retentionSuite(on);
    lifeSuite(on);
  });
}
