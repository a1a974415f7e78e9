import { defineConfig } from "vitest/config";

// Two workers: the suite is measured on two cores, and many tests start servers of their own.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/contract/say-what-was-not-run.ts"],
    environment: "node",
    pool: "forks",
    maxWorkers: 2,
    // A bound on what hangs, not on what is slow: a busy machine takes ten times as long as an idle one.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
    reporters: ["default"],
  },
});
