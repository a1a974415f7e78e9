import { expect, it } from "vitest";
import { checkEvents, toldOf } from "./events.ts";
import type { Evidence } from "./evidence.ts";
import type { Events } from "./receiver.ts";

const job = { tenant_id: "team-a", job_id: "job_1", status: "completed" };
const received = {
  ...{ tenant: "team-a", id: "evt_1", type: "job.completed", about: "job_1", isSigned: true },
};
const delivered = { kind: "delivery", job_id: "job_1", event: "job.completed", status: "delivered" } as const;

function found(change: Partial<Events>, of: object = job): string[] {
  const events = { received: [received], stored: [delivered], batches: [], ...change };
  const promises: string[] = [];
  checkEvents({ stored: [{ job: of }], events } as unknown as Evidence, (promise) => promises.push(promise));
  return promises;
}

it("knows that every end is told, or stands as failed", () => {
  expect(found({})).toEqual([]);
  expect(found({ received: [received, received] })).toEqual([]);
  expect(found({ received: [] })).toEqual(["events_are_told"]);
  expect(found({ received: [], stored: [{ ...delivered, status: "failed" }] })).toEqual([]);
  expect(found({ stored: [{ ...delivered, status: "pending" }] })).toEqual(["events_are_told"]);
  expect(found({ stored: [{ ...delivered, kind: "outbox", status: undefined }] })).toEqual([
    "events_are_told",
  ]);
});

it("knows what did not happen, is another's, came unsigned, or came twice as two", () => {
  for (const change of [{ type: "job.failed" }, { about: "job_2" }, { tenant: "team-b" }])
    expect(found({ received: [received, { ...received, ...change }] })).toEqual(["events_are_true"]);
  expect(found({ received: [{ ...received, isSigned: false }] })).toEqual(["events_are_true"]);
  expect(found({ received: [received, { ...received, id: "evt_2" }] })).toEqual(["events_are_true"]);
  // One that has not ended is not told of.
  expect(found({}, { ...job, status: "in_progress" })).toEqual(["events_are_true"]);
});

it("knows that the end of a batch is told, and nobody is told who has no endpoint", () => {
  const batch = { tenant_id: "team-a", batch_id: "batch_1", status: "completed" };
  const told = { ...received, type: "batch.completed", about: "batch_1" };
  expect(found({ batches: [batch], received: [received, told] })).toEqual([]);
  expect(found({ batches: [batch] })).toEqual(["events_are_told"]);
  expect(found({ received: [received, told] })).toEqual(["events_are_true"]);
  expect(found({ batches: [{ ...batch, tenant_id: "mallory" }] })).toEqual([]);
  expect(found({ batches: [{ ...batch, status: "in_progress" }] })).toEqual([]);
});

it("knows what is told of which job", () => {
  const told = (more: object) => toldOf({ ...job, ...more } as never)?.type;
  expect(told({})).toBe("job.completed");
  for (const part of [{ coalesce: "c" }, { batch_line: 1 }, { comparison: "cmp_1" }])
    expect(told(part)).toBeUndefined();
  const response = (more: object, background = true) => told({ as_response: { background }, ...more });
  expect(response({})).toBe("response.completed");
  expect(response({ incomplete: "length" })).toBe("response.incomplete");
  expect(response({ status: "expired" })).toBe("response.failed");
  expect(response({}, false)).toBeUndefined();
});
