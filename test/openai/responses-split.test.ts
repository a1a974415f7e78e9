import { describe } from "vitest";

/** The same where each group of functions has processes of its own. */
process.env.TEST_LAYOUT = "--split";

describe.each([
  ["responses", () => import("./responses.test.ts")],
  ["killed instances", () => import("./responses-killed.test.ts")],
  ["webhooks", () => import("./webhooks.test.ts")],
])("laid out by groups of functions: %s", { tags: ["long"] }, async (_name, tests) => {
  await tests();
});
