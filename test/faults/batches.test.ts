import { expect, it } from "vitest";
import { checkBatches } from "./batches.ts";
import type { Evidence } from "./evidence.ts";

const line = (name: string, status = "completed", events: readonly string[] = [], id = name) => ({
  job: { job_id: id, batch_id: "batch_1", batch_line: 0, custom_id: name, status },
  trail: events.map((event, n) => ({ event, attempt: n + 1 })),
});
const calls = (...jobs: string[]) => jobs.map((job) => ({ job, status: 200 }));
const batch = (change: object = {}) => ({
  ...{ id: "batch_1", customIds: ["a", "b"], output: ["a"], errors: ["b"] },
  end: { status: "completed", counts: { total: 2, completed: 1, failed: 1 } },
  ...change,
});
function found(change: object): string[] {
  const well = { batches: [batch()], stored: [line("a"), line("b", "failed")], calls: calls("a") };
  const promises = new Set<string>();
  checkBatches({ ...well, ...change } as unknown as Evidence, (promise) => promises.add(promise));
  return [...promises];
}

it("finds nothing in a batch that ran well, and in none that was never made", () => {
  expect(found({})).toEqual([]);
  expect(found({ batches: [batch({ id: null, end: null })] })).toEqual([]);
  // Lines that were cancelled before they became jobs.
  expect(found({ stored: [line("a")] })).toEqual([]);
});

it("knows that a batch ends", () => {
  expect(found({ batches: [batch({ end: null })] })).toEqual(["a_batch_ends"]);
});

it.each([
  ["in no file", { errors: [] }],
  ["in both", { output: ["a", "b"] }],
  ["twice in one", { errors: ["b", "b"] }],
  ["never asked for", { output: ["a", "c"] }],
  ["counted otherwise", { end: { status: "completed", counts: { total: 2, completed: 2, failed: 0 } } }],
  ["not to be read", { output: null }],
  ["in the wrong file", { output: ["b"], errors: ["a"] }],
])("knows of a line that is %s", (_, change) => {
  expect(found({ batches: [batch(change)] })).toEqual(["lines_are_in_one_file"]);
});

it("knows that a line is one job, called again only where an attempt was lost", () => {
  const broken = ["a_line_is_called_once"];
  expect(found({ calls: calls("a", "a") })).toEqual(broken);
  const lost = line("a", "completed", ["attempt_lost"]);
  expect(found({ stored: [lost, line("b", "failed")], calls: calls("a", "a") })).toEqual([]);
  expect(found({ stored: [lost, line("b", "failed")], calls: calls("a", "a", "a") })).toEqual(broken);
  expect(found({ stored: [line("a"), line("a", "completed", [], "other"), line("b", "failed")] })).toEqual(
    broken,
  );
});
