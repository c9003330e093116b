import { defineConfig } from "vitest/config";

/** Mostly waits for processes and deadlines, a third of the gate's time: part of the whole suite only. */
const WAITING = [
  "src/storage/storage-client.test.ts",
  "src/pool/{head,worker}-agent.test.ts",
  "src/pool/prepare/child.test.ts",
  "src/main/server.test.ts",
  "test/http/{changes,connection,streams}.test.ts",
];

const childCoverage = process.env["VERLPOOL_TEST_CHILD_COVERAGE"];

/**
 * unit: pure and fast, beside the code and in test/. real: needs what scripts/test.ts installs (Ray, verl, Postgres), or many processes that are
 * killed; one file at a time.
 */
export default defineConfig({
  test: {
    // Set in the workers, so what tests start writes its coverage there (scripts/coverage.ts); the workers themselves are measured by vitest.
    env: childCoverage === undefined ? {} : { NODE_V8_COVERAGE: childCoverage },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "test/**/*.test.ts"],
          exclude: ["test/real/**", "test/crash/**", "test/launcher/**", "node_modules/**", ...WAITING],
          testTimeout: 20_000,
          hookTimeout: 30_000,
          maxWorkers: 2,
          // No module of ours keeps state that a test could leave behind, and loading them anew for each file was half of the time.
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: "real",
          include: ["test/real/**/*.test.ts", "test/crash/**/*.test.ts", "test/launcher/**/*.test.ts", ...WAITING],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
    ],
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      exclude: ["src/**/*.test.ts"],
      reporter: ["json"],
      reportsDirectory: "coverage/vitest",
    },
  },
});
