import path from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Pure logic: no process, no socket, nothing of the module's state touched; these files can share a worker. */
const PURE = [
  "test/{architecture,docs/*,model-check/*,bench/*,infra/*}.test.ts",
  "test/{tools/audit/{seal,verify},faults/{checker,kinds,held-calls}}.test.ts",
  "test/examples/demo/{audit-chain,prompts,report}.test.ts",
  "test/{shared,console/rows}/**/*.test.ts",
  // These open the emulators in the test's own process too, and close them.
  "test/openai/{left-clients,logged-streams,long-calls,refusals}.test.ts",
  "test/security/{queue,store}/*.test.ts",
  "test/security/lab/{figures,job-names,quota-headers,quoted-prompts}.test.ts",
  "test/security/{tenant/{budget-evasion,fair-quota},network/mixed-up-answers}.test.ts",
];

/** The emulators by themselves, served from the test's own process; each file closes what it opens. */
const EMULATORS = ["test/{local/{cosmos,service-bus,model-endpoints},contract}/**/*.test.ts"];

/** Those that wait longest for processes, longest first: one begun last would run on alone. */
const LONG = [
  "test/end-to-end/split-door.test.ts",
  "test/end-to-end/split-service.test.ts",
  "test/end-to-end/killed-hosts.test.ts",
  "test/infra/template.test.ts",
  "test/console/hard-times.test.ts",
  "test/console/tenant.test.ts",
  "test/local/start.test.ts",
  "test/end-to-end/outages.test.ts",
  "test/faults/campaign.test.ts",
  "test/tools/audit/command.test.ts",
  "test/faults/mutants.test.ts",
  "test/end-to-end/switches.test.ts",
  "test/local/host/process.test.ts",
  "test/examples/demo/demo.test.ts",
].map((file) => path.resolve(import.meta.dirname, file));

/** vitest's own order (the pure ones, then by size), but for what is long. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const long = LONG.flatMap((file) => sorted.filter((spec) => spec.moduleId === file));
    const others = sorted.filter((spec) => !long.includes(spec));
    const real = others.filter((spec) => spec.project.name === "real");
    return [...others.filter((spec) => !real.includes(spec)), ...long, ...real];
  }
}

// Three workers for the two cores that the suite is measured on: much of its time is waiting for processes to start,
// to die and to be missed.
export default defineConfig({
  test: {
    environment: "node",
    // `npm test` leaves out what takes over 4 s on two cores; `npm run test:long` runs just that.
    tags: [{ name: "long", description: "over 4 s on two cores", timeout: 600_000 }],
    pool: "forks",
    maxWorkers: 3,
    sequence: { sequencer: LongFirst },
    // A bound on what hangs, not on what is slow: a busy machine takes ten times as long as an idle one.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
    // Likewise: a poll is for what comes, and not for how soon.
    expect: { poll: { timeout: 100_000 } },
    reporters: ["default"],
    // Most of the suite's processor time is processes that load the SDKs: compiled code is kept for the next.
    env: { NODE_COMPILE_CACHE: path.resolve(import.meta.dirname, "node_modules/.cache/compiled") },
    projects: [
      { extends: true, test: { name: "pure", include: PURE, isolate: false } },
      {
        extends: true,
        test: {
          name: "emulators",
          include: EMULATORS,
          isolate: false,
          globalSetup: ["test/contract/say-what-was-not-run.ts"],
        },
      },
      {
        extends: true,
        test: {
          name: "real",
          include: ["test/**/*.test.ts"],
          exclude: [...PURE, ...EMULATORS],
        },
      },
    ],
  },
});
