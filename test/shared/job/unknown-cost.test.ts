import { describe, expect, it } from "vitest";
import { end } from "../../../shared/job/ending/end.ts";
import type { Queued } from "../../../shared/job/job.ts";
import {
  type CallFacts,
  type Draft,
  draftOf,
  failAttempt,
  loseAttempt,
  startAttempt,
  supersedeAttempt,
} from "../../../shared/job/life-cycle.ts";
import { call, NOW_MS, newJob } from "./samples.ts";

const by = { nowMs: NOW_MS, actor: "worker:1" };
const requeue = {
  ...by,
  reason: "call_timeout",
  failure: "x",
  retryAtMs: null,
  wakeAtMs: NOW_MS,
  spent: true,
};
const unknown: CallFacts = { ...call, outcome: "retry", usage: null, cost: null, costUnknown: "no_answer" };

const started = (draft: Draft<Queued>) =>
  startAttempt(draft, {
    ...by,
    ...{ claimId: "c", deployment: { name: "d", provider: "openai", simulated: true } },
    ...{ requestSha256: "r", leaseSeconds: 20, reason: null },
  });

describe("a job's cost", () => {
  it("is the known part, and says that there is more", () => {
    const failed = failAttempt(started(draftOf(newJob())), unknown, requeue);
    const { job, records } = end(started(failed), { ...by, status: "completed", call });
    expect(job).toMatchObject({ cost: call.cost, unknown_costs: { 1: "no_answer" } });
    expect(records.map(({ cost_unknown }) => cost_unknown)).toEqual([
      undefined,
      "no_answer",
      undefined,
      undefined,
    ]);
  });

  it("of a lost attempt is unknown until its late answer tells it", () => {
    const first = started(draftOf(newJob()));
    const { lease } = first.job;
    const lost = loseAttempt(first, requeue);
    expect(lost.job).toMatchObject({ cost: null, unknown_costs: { 1: "worker_lost" } });
    const late = { ...by, attempt: 1, lease, reason: "claimed_by_another" };
    const told = supersedeAttempt(started(lost), { ...late, call });
    expect(told.job).toMatchObject({ cost: call.cost, unknown_costs: {} });
    const untold = supersedeAttempt(started(lost), { ...late, call: { ...call, cost: null } });
    expect(untold.job.unknown_costs).toEqual({ 1: "worker_lost" });
  });

  it("that is all known has no such field, as in jobs stored before there was one", () => {
    const { job, records } = end(started(draftOf(newJob())), { ...by, status: "completed", call });
    expect(job).not.toHaveProperty("unknown_costs");
    for (const record of records)
      for (const field of ["cost_unknown", "lab_cost", "message"]) expect(record).not.toHaveProperty(field);
  });
});
