import path from "node:path";
import { defineConfig } from "vitest/config";

/** Pure logic: no process, no socket, nothing of the module's state touched; these files can share a worker. */
const PURE = [
  "test/{architecture,docs/*,model-check/*,audit/{seal,verify},faults/checker}.test.ts",
  "test/shared/**/*.test.ts",
];

// Three workers for the two cores that the suite is measured on: much of its time is waiting for processes to start,
// to die and to be missed.
export default defineConfig({
  test: {
    environment: "node",
    pool: "forks",
    maxWorkers: 3,
    // A bound on what hangs, not on what is slow: a busy machine takes ten times as long as an idle one.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
    reporters: ["default"],
    // Most of the suite's processor time is processes that load the SDKs: compiled code is kept for the next.
    env: { NODE_COMPILE_CACHE: path.resolve(import.meta.dirname, "node_modules/.cache/compiled") },
    projects: [
      { extends: true, test: { name: "pure", include: PURE, isolate: false } },
      {
        extends: true,
        test: {
          name: "real",
          include: ["test/**/*.test.ts"],
          exclude: PURE,
          globalSetup: ["test/contract/say-what-was-not-run.ts"],
        },
      },
    ],
  },
});
