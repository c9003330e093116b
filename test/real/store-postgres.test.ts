import { afterAll, beforeAll } from "vitest";
import { postgresDatabase } from "../support/databases.ts";
import { type PostgresServer, startPostgres } from "../support/postgres.ts";
import { storeSuite } from "../support/store-suite.ts";

let server: PostgresServer | null = null;

beforeAll(async () => {
  server = await startPostgres({ durable: false });
});

afterAll(async () => {
  await server?.stop();
});

function running(): PostgresServer {
  if (server === null) throw new Error("the Postgres server did not start");
  return server;
}

storeSuite(postgresDatabase(running));
