import { describe } from "vitest";

/** The same where each group of functions has processes of its own. */
process.env.TEST_LAYOUT = "--split";

describe("responses, laid out by groups of functions", { tags: ["long"] }, async () => {
  await import("./responses.test.ts");
});

describe("responses whose instance is killed, laid out so", { tags: ["long"] }, async () => {
  await import("./responses-killed.test.ts");
});
