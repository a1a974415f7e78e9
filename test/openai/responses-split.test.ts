import { describe } from "vitest";

/** The same where each group of functions has processes of its own. */
process.env.TEST_LAYOUT = "--split";

describe("responses, laid out by groups of functions", { tags: ["long"] }, async () => {
  await import("./responses.test.ts");
});
