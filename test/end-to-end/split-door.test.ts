import { describe } from "vitest";

/** The door, tenants and labs on stacks whose groups of functions have processes of their own, as `split-service` has it. */
process.env.TEST_LAYOUT = "--split";

describe.each([
  ["OpenAI's SDK: calls", () => import("../openai/calls.test.ts")],
  ["OpenAI's SDK: streams", () => import("../openai/streams.test.ts")],
  ["OpenAI's SDK: retries", () => import("../openai/retries.test.ts")],
  ["OpenAI's SDK: batches", () => import("../openai/batches.test.ts")],
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
