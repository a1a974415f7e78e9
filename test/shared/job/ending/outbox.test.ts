import { expect, it } from "vitest";
import { end } from "../../../../shared/job/ending/end.ts";
import type { Queued } from "../../../../shared/job/job.ts";
import { draftOf } from "../../../../shared/job/life-cycle.ts";
import { by, NOW_MS, newJob } from "../samples.ts";

const facts = { store: true, previous_response_id: null };
it.each<[string, Partial<Queued>, readonly string[]]>([
  ["a job of the native door", {}, ["job.cancelled"]],
  ["one whose client waits", { coalesce: "c" }, []],
  ["one of a comparison", { comparison: "cmp_1" }, []],
  ["a line of a batch", { batch_id: "batch_1", batch_line: 0, custom_id: "a" }, []],
  ["a background response", { as_response: { ...facts, background: true } }, ["response.cancelled"]],
  ["a response whose client waits", { as_response: { ...facts, background: false } }, []],
])("%s is told of by its own kind's events, or not at all", (_, fields, events) => {
  const job = { ...newJob(), ...fields };
  const { outbox = [] } = end(draftOf(job), { status: "cancelled", nowMs: NOW_MS, actor: by.actor });
  expect(outbox.map(({ event }) => event)).toEqual(events);
});
