import { describe } from "vitest";

/**
 * What holds where the app is one process holds where each group of functions has processes of its own, as on Flex
 * Consumption: the same tests, on stacks that are laid out so.
 */
process.env.TEST_LAYOUT = "--split";

describe.each([
  ["outages", () => import("./outages.test.ts")],
  ["waiting", () => import("./ill-deployments.test.ts")],
  ["answers", () => import("../upstream/cases.test.ts")],
  ["jobs", () => import("./jobs.test.ts")],
  ["usage", () => import("./usage.test.ts")],
  ["operators", () => import("./operators.test.ts")],
  ["a catalogue of one's own", () => import("./own-catalogue.test.ts")],
  ["budgets", () => import("./budgets.test.ts")],
  ["switches", () => import("./switches.test.ts")],
  ["OpenAI's SDK: calls", () => import("../openai/calls.test.ts")],
  ["OpenAI's SDK: streams", () => import("../openai/streams.test.ts")],
  ["OpenAI's SDK: retries", () => import("../openai/retries.test.ts")],
  ["OpenAI's SDK: files and batches", () => import("../openai/batch-acceptance.test.ts")],
  ["slots", () => import("./slots.test.ts")],
  ["throttle", () => import("./throttle.test.ts")],
  ["credentials", () => import("../security/tenant/credentials.test.ts")],
  ["odd requests", () => import("../security/tenant/odd-requests.test.ts")],
  ["memory", () => import("../security/tenant/body-memory.test.ts")],
  ["labs that leak", () => import("../security/lab/leaks.test.ts")],
  ["what the network sees", () => import("../security/network/local-stack.test.ts")],
])("laid out by groups of functions: %s", { tags: ["long"] }, async (_name, tests) => {
  await tests();
});
