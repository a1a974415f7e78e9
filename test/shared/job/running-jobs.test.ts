import { describe, expect, it } from "vitest";
import { acceptJob } from "../../../shared/job/intake/accept.ts";
import { type AcceptedJob, createRunningJobs } from "../../../shared/job/running-jobs.ts";
import { by, submission } from "./samples.ts";

function accepted(n: number, bodyText = submission.bodyText): AcceptedJob {
  const jobId = `job_${String(n).padStart(32, "0")}`;
  const { job, request } = acceptJob({ ...submission, bodyText }, { ...by, jobId });
  return { job: { value: job, etag: `"${n}"` }, request };
}

describe("jobs this process knows first-hand", () => {
  it("are handed to a worker once, and stay live until they end", () => {
    const running = createRunningJobs();
    const one = accepted(1);
    const key = one.job.value;
    running.accepted(one);
    expect(running.takeAccepted(key)).toBe(one);
    expect(running.takeAccepted(key)).toBeUndefined();
    expect(running.isLive(key)).toBe(true);
    running.ended({ job: one.job, response: undefined });
    expect(running.isLive(key)).toBe(false);
  });

  it("are another tenant's under another key", () => {
    const running = createRunningJobs();
    running.accepted(accepted(1));
    const foreign = { ...accepted(1).job.value, tenant_id: "team-b" };
    expect(running.isLive(foreign)).toBe(false);
    expect(running.takeAccepted(foreign)).toBeUndefined();
  });

  it("keep no more than 16 Mi characters of requests: the oldest go first, and are live all the same", () => {
    const running = createRunningJobs();
    const long = "x".repeat(1024 * 1024);
    const jobs = Array.from({ length: 20 }, (_, n) => accepted(n, long));
    for (const job of jobs) running.accepted(job);
    const kept = jobs.map(({ job }) => running.takeAccepted(job.value) !== undefined);
    expect(kept).toEqual(jobs.map((_, n) => n >= 4));
    expect(jobs.every(({ job }) => running.isLive(job.value))).toBe(true);
  });

  it("are forgotten beyond 10,000, the oldest first", () => {
    const running = createRunningJobs();
    const jobs = Array.from({ length: 10_002 }, (_, n) => accepted(n));
    for (const job of jobs) running.accepted(job);
    expect(jobs.map(({ job }) => running.isLive(job.value)).indexOf(true)).toBe(2);
  });

  it("end here, as far as can be told, once many in a row did, until one ends elsewhere", () => {
    const running = createRunningJobs();
    const endHere = (count: number) => {
      for (let n = 0; n < count; n++) {
        running.accepted(accepted(n));
        running.ended({ job: accepted(n).job, response: undefined });
      }
      return running.endHere();
    };
    expect(endHere(19)).toBe(false);
    // A job of another instance that ended here says nothing of those accepted here.
    running.ended({ job: accepted(50).job, response: undefined });
    expect(running.endHere()).toBe(false);
    expect(endHere(1)).toBe(true);
    running.accepted(accepted(60));
    running.endedElsewhere(accepted(60).job.value);
    expect(running.endHere()).toBe(false);
    expect(running.isLive(accepted(60).job.value)).toBe(false);
    expect(endHere(20)).toBe(true);
  });
});
