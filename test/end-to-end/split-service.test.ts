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
  ["bad input", () => import("./bad-input.test.ts")],
  ["comparisons", () => import("./comparisons.test.ts")],
  ["management", () => import("./management.test.ts")],
  ["snippets of the documents", () => import("./snippets.test.ts")],
])("laid out by groups of functions: %s", { tags: ["long"] }, async (_name, tests) => {
  await tests();
});
