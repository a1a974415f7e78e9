import { afterAll, expect, it } from "vitest";
import { end } from "../../../../shared/job/ending/end.ts";
import { acceptJob } from "../../../../shared/job/intake/accept.ts";
import type { Job } from "../../../../shared/job/job.ts";
import { deleteContent, draftOf, startAttempt } from "../../../../shared/job/life-cycle.ts";
import type { LogFields } from "../../../../shared/log.ts";
import type { BilledCall } from "../../../../shared/usage/usage-report.ts";
import { by, call, submission } from "../../job/samples.ts";
import { World } from "../../world.ts";

/** A trail's first three records lie in the job's item. */
const told: string[] = [];
const silence = () => undefined;
const error = (event: string, { id }: LogFields = {}) => void told.push(`${event} ${id}`);
const world = await World.open({ log: { info: silence, warn: silence, error } });
afterAll(() => world.close());
const { clock, cosmos } = world;
const { store, billedCalls } = world.ports;
const charged = () => cosmos.counters().request_units ?? 0;
let jobs = 0;

/** Accepted, claimed, completed: one batch each. */
async function completed(tenantId = "team-a") {
  const nowMs = clock.now();
  const jobId = `job_${String(++jobs).padStart(32, "0")}`;
  const accepted = acceptJob({ ...submission, deadlineMs: nowMs + 1e6 }, { ...by, tenantId, jobId, nowMs });
  const created = await store.create(accepted, nowMs);
  const started = startAttempt(draftOf(accepted.job), {
    ...{ claimId: "6f1c1a52-5c51-4f6a-9a3c-0e8d1b6a7c11", requestSha256: "0".repeat(64), leaseSeconds: 20 },
    deployment: { name: "gpt-sim-local", provider: "openai", simulated: true },
    ...{ nowMs, actor: "worker:instance-1234", reason: null },
  });
  const claimed = await store.write(started, etagOf(created), nowMs);
  const response = { status_code: 200, request_id: "req-1", body: '{"choices":[]}' };
  const ended = end(draftOf(started.job), {
    status: "completed",
    ...{ nowMs, actor: "worker:instance-1234", call, response },
  });
  // Nobody listens.
  const written = await store.write({ ...ended, outbox: [] }, etagOf(claimed), nowMs);
  return { job: ended.job, etag: etagOf(written) };
}

function etagOf(result: { readonly kind: string; readonly etag?: string }): string {
  if (result.etag === undefined) throw new Error(result.kind);
  return result.etag;
}

async function itemOf({ tenant_id, job_id }: Job) {
  const item = world.jobs.item("job", [tenant_id, job_id]);
  const { resource } = await item.read<{ first_records: object[] }>();
  if (resource === undefined) throw new Error("no job");
  return { resource, replace: (change: object) => item.replace({ ...resource, ...change } as never) };
}

async function billed(tenantId: string, fromSeconds: number): Promise<BilledCall[]> {
  const pages = billedCalls.pages({ tenantId, fromSeconds, untilSeconds: fromSeconds + 60 });
  const calls: BilledCall[] = [];
  for await (const page of pages) calls.push(...page);
  return calls;
}

it("a job that ends at its first attempt writes for 50 RU at most, by the documented prices", async () => {
  const before = charged();
  await completed();
  expect(charged() - before).toBeLessThanOrEqual(50);
});

it("they are read with the job, and later ones from items of their own", async () => {
  const { job, etag } = await completed();
  const before = cosmos.counters().query ?? 0;
  expect((await store.audit(job)).map(({ event }) => event)).toEqual([
    "accepted",
    "attempt_started",
    "completed",
  ]);
  expect(cosmos.counters().query ?? 0).toBe(before);
  await store.write(deleteContent(draftOf(job), { nowMs: clock.now(), actor: "c" }), etag, clock.now());
  expect((await store.audit(job)).map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  expect((await itemOf(job)).resource.first_records).toHaveLength(3);
});

it("one that is damaged is missing from the trail, and is told of", async () => {
  const { job } = await completed();
  const { resource, replace } = await itemOf(job);
  const [first, second, third] = resource.first_records;
  await replace({ first_records: [first, { ...second, latency_ms: "x" }, third] });
  expect((await store.audit(job)).map(({ seq }) => seq)).toEqual([1, 3]);
  expect(told).toEqual([`item_unreadable ${job.tenant_id}/${job.job_id}`]);
});

it("a call that they tell of is billed once, to its tenant and its time", async () => {
  const { job } = await completed("team-b");
  const at = Math.floor(clock.now() / 1000);
  const { tenant_id, job_id, model } = job;
  const { usage, cost } = call;
  expect(await billed("team-b", at)).toEqual([
    expect.objectContaining({ tenant_id, job_id, model, at, attempt: 1, late: false, usage, cost }),
  ]);
  expect(await billed("team-b", at + 1)).toEqual([]);
  expect(await billed("team-c", at)).toEqual([]);
});
