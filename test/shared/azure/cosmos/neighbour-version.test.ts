import { afterAll, describe, expect, it } from "vitest";
import { verifyChain } from "../../../../shared/audit/chain.ts";
import { recordHash } from "../../../../shared/audit/record.ts";
import { documentOf } from "../../../../shared/azure/cosmos/job-document.ts";
import { acceptJob } from "../../../../shared/job/intake/accept.ts";
import { isKnownVersion, STORED_VERSION } from "../../../../shared/store.ts";
import { submission } from "../../job/samples.ts";
import { answer, completion } from "../../labs.ts";
import { World } from "../../world.ts";

/** A host of the next version has stored a job; this one takes it over. */
const world = await World.open();
afterAll(() => world.close());
const { clock, labs } = world;
const { store } = world.ports;

/** A job as a host of version `v` might store it: with a field of its own in the job and in the first record. */
async function storedBy(v: number, isInJob = false): Promise<{ v: 1; tenant_id: string; job_id: string }> {
  const job_id = `job_${String(v).padStart(32, isInJob ? "1" : "0")}`;
  const bodyText = '{"model":"openai-one-model","messages":[]}';
  const { job, request, records } = acceptJob(
    { ...submission, model: "openai-one-model", bodyText, deadlineMs: clock.now() + 60_000 },
    {
      tenantId: "team-a",
      jobId: job_id,
      actor: "team-a/key:1",
      nowMs: clock.now(),
      nudgeGraceMs: 10_000,
      retention: { contentDays: 30, auditDays: 0 },
    },
  );
  const [first] = records;
  if (first === undefined) throw new Error("no record");
  const { hash: _, ...fields } = first;
  const told = { ...fields, told_by_next: { why: "of a later version" } };
  const record = { ...told, hash: recordHash(told) };
  const items = world.jobs.items;
  await items.create({
    id: "job",
    ...documentOf(job),
    v,
    audit_hash: record.hash,
    first_records: isInJob ? [record] : undefined,
    next_field: { kept: true },
    ttl: -1,
  });
  const key = { tenant_id: "team-a", job_id };
  await items.create({ id: "request", kind: "request", ...key, ...request, v, ttl: -1 });
  if (!isInJob)
    await items.create({ id: "audit-000001", v, kind: "audit", tenant_id: "team-a", ...record, ttl: -1 });
  return { v: 1, tenant_id: "team-a", job_id };
}

describe("items of a neighbouring version", () => {
  it("are run and written back with their version and all that this one does not know", async () => {
    labs.reply("openai-one", answer(200, completion("Hello")));
    const key = await storedBy(STORED_VERSION + 1);
    await world.instance().run(key);
    const { resource } = await world.jobs.item("job", [key.tenant_id, key.job_id]).read();
    expect(resource).toMatchObject({
      v: STORED_VERSION + 1,
      status: "completed",
      next_field: { kept: true },
    });
    const trail = await store.audit(key);
    expect(trail[0]).toMatchObject({ told_by_next: { why: "of a later version" } });
    const head = { seq: resource.audit_seq, hash: resource.audit_hash };
    expect(verifyChain(trail, head)).toMatchObject({ intact: true, records: 3 });
  });

  it("have their history whole, whether a record lies in its own item or in the job's", async () => {
    labs.reply("openai-one", answer(200, completion("Hello")));
    const key = await storedBy(STORED_VERSION, true);
    await world.instance().run(key);
    const trail = await store.audit(key);
    expect(trail.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    const { resource } = await world.jobs.item("job", [key.tenant_id, key.job_id]).read();
    expect(verifyChain(trail, { seq: 3, hash: resource.audit_hash })).toMatchObject({ intact: true });
    for (const record of trail) expect(await store.hasRecord(key, record)).toBe(true);
    const [first] = trail;
    expect(first && (await store.hasRecord(key, { ...first, hash: "another" }))).toBe(false);
  });

  it("are the version before and the version after; others are refused by name", async () => {
    expect([0, 1, 2, 3].map((n) => isKnownVersion(STORED_VERSION - 1 + n))).toEqual([
      true,
      true,
      true,
      false,
    ]);
    const key = await storedBy(STORED_VERSION + 2);
    await expect(store.read(key)).rejects.toThrow("is not a version this one knows");
  });
});
