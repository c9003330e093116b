import type { QueryExecutorProvider } from "kysely";

export type Dialect = "sqlite" | "postgres";

/**
 * One step forward; never edited once released. `minReaderVersion` is the oldest schema version whose program can still read and write
 * a database after this step: raise it only when an older program would break or lose something.
 */
export type Migration = {
  readonly version: number;
  readonly minReaderVersion: number;
  readonly up: (db: QueryExecutorProvider, dialect: Dialect) => Promise<void>;
};
