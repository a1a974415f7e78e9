import { readFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { recordHash } from "../../../shared/audit/record.ts";
import { requireFormat } from "../../../shared/audit/require-format.ts";
import { isEnded, type Job } from "../../../shared/job/job.ts";
import { deleteContent, draftOf } from "../../../shared/job/life-cycle.ts";
import { change } from "../../../shared/job/saving.ts";
import { contentDeps } from "../../../tools/audit/catalogue.ts";
import { AuditWorld, DAY_MS } from "../../tools/audit/world.ts";

/** Who can write to the store rewrites history; the proof names what was done. */
const root = path.resolve(import.meta.dirname, "../../..");
const contents = contentDeps({}, root, (file) => readFileSync(file, "utf8"));

let world: AuditWorld;
beforeEach(async () => {
  world = await AuditWorld.open();
});
afterEach(() => world.close());

const chainOf = (job: Job) => `${job.tenant_id}/${job.job_id}`;
const findings = async (at = world) => (await at.verify({ contents })).findings;

describe.each([false, true])("sealed: %s. The proof finds", (sealed) => {
  let job: Job;
  beforeEach(async () => {
    job = await world.job();
    if (sealed) await world.sealDay();
    expect(await findings()).toEqual([]);
  });

  it("a record edited, or most of them gone, where the job says that its trail has lapsed", async () => {
    await world.edit(job, "audit-000002", { actor: "worker:2" });
    await world.edit(job, "job", { audit_until_ms: 1 });
    expect(await findings()).toMatchObject([{ chain: chainOf(job) }, ...(sealed ? [] : [])]);
    await world.remove(job, "audit-000001", "audit-000002");
    expect(await findings()).toMatchObject([{ chain: chainOf(job) }]);
    await world.remove(job, "audit-000003");
    expect(await findings()).toMatchObject([{ chain: chainOf(job), why: /^the whole trail is gone/ }]);
  });

  it("that a job says otherwise how long its trail is kept", async () => {
    await world.edit(job, "job", { audit_until_ms: 2e12 });
    const why = "the job says otherwise how long the trail is kept";
    expect(await findings()).toEqual([{ chain: chainOf(job), seq: 1, why }]);
  });

  it.each([
    ["the response", "response", { body: '{"choices":[]}' }],
    ["the request", "request", { body: '{"model":"gpt-sim","messages":[]}' }],
    ["its cost", "job", { cost: { amount: "0.1", currency: "USD" } }],
    ["its usage", "job", { usage: { input_tokens: 1, output_tokens: 1, total_tokens: 2 } }],
    ["its deployment", "job", { deployment: "another" }],
    ["its attempts", "job", { attempts: 7 }],
    ["its envelope", "job", { envelope_sha256: "0".repeat(64) }],
    ["its end", "job", { completed_at_ms: 5 }],
    ["that it has a response", "job", { has_response: false }],
    ["that its content was erased", "job", { content_deleted: true, has_response: false }],
    ["`billed`", "audit-000003", { billed: undefined }],
    ["the model in `billed`", "audit-000003", { billed: { at: 1, model: "cheap" } }],
    ["`billed` where nothing was used", "audit-000001", { billed: { at: 1, model: "gpt-sim" } }],
  ])("a change of %s", async (_, id, change) => {
    await world.edit(job, id, change);
    expect(await findings()).toMatchObject([{ chain: chainOf(job) }]);
  });

  it.each(["response", "request"])("the %s gone before its time", async (id) => {
    await world.remove(job, id);
    expect(await findings()).toMatchObject([{ chain: chainOf(job), why: `the stored ${id} is gone` }]);
  });

  it("a whole job that became another tenant's", async () => {
    const partitionKey = [job.tenant_id, job.job_id];
    const all = await world.opened.jobs.items.query<object>("SELECT * FROM c", { partitionKey }).fetchAll();
    for (const item of all.resources)
      await world.opened.jobs.items.create({ ...item, tenant_id: "team-b" } as never);
    expect(await findings()).toMatchObject([{ chain: `team-b/${job.job_id}`, seq: 1 }]);
  });

  it("a record changed whose stored hash was left", async () => {
    await world.edit(job, "audit-000003", { cost: null, usage: null });
    expect(await findings()).toContainEqual(
      expect.objectContaining({ chain: chainOf(job), why: "its fields do not give its hash" }),
    );
  });
});

describe("a trail that lapses", () => {
  it("is no loss where a seal says so, and one where nobody does", async () => {
    const kept = await AuditWorld.open(30, true);
    try {
      const sealed = await kept.job();
      await kept.sealDay();
      const unsealed = await kept.job();
      expect(await findings(kept)).toEqual([]);
      kept.clock.advance(29 * DAY_MS + 5_400_000); // the first has gone, and its job has not
      expect(await kept.trails.records(sealed)).toEqual([]);
      expect(await kept.trails.job(sealed)).toBeDefined();
      expect(await kept.verify({ contents })).toMatchObject({ findings: [], counts: { lapsed: 1 } });
      kept.clock.advance(DAY_MS);
      const why = "the whole trail is gone, and no seal says until when it was kept";
      expect(await findings(kept)).toEqual([{ chain: chainOf(unsealed), seq: 1, why }]);
    } finally {
      await kept.close();
    }
  });

  it("is no loss while the job's item still has its first records", async () => {
    const kept = await AuditWorld.open(30);
    try {
      const { store } = kept.opened.ports;
      const [long, short] = [await kept.job(), await kept.job()];
      await change(store, long, kept.clock, (job) =>
        isEnded(job) ? deleteContent(draftOf(job), { nowMs: kept.clock.now(), actor: "c" }) : undefined,
      );
      await kept.sealDay();
      kept.clock.advance(29 * DAY_MS + 5_400_000);
      expect((await kept.trails.records(long)).map(({ record }) => record.seq)).toEqual([1, 2, 3]);
      expect(await kept.trails.records(short)).toHaveLength(3);
      expect(await findings(kept)).toEqual([]);
      kept.clock.advance(3_600_000);
      expect(await kept.trails.job(long)).toBeUndefined();
      expect(await findings(kept)).toEqual([]);
    } finally {
      await kept.close();
    }
  });

  it("is not one where the seal was made to say so", async () => {
    const kept = await AuditWorld.open(30);
    try {
      const job = await kept.job();
      await kept.edit(job, "job", { audit_until_ms: kept.clock.now() + 2 * DAY_MS });
      await kept.sealDay();
      await kept.edit(job, "job", { audit_until_ms: job.audit_until_ms });
      expect(await findings(kept)).toMatchObject([
        { chain: chainOf(job), why: /do not say the same of how long it is kept$/ },
      ]);
    } finally {
      await kept.close();
    }
  });
});

describe("what operators have set", () => {
  it("is found changed, removed or made without a record", async () => {
    const overrides = world.opened.control.item("overrides", "switches");
    const made = { id: "overrides", scope: "switches", v: 1, kind: "overrides", revision: 1, switches: [] };
    const lists = { limits: [], route_weights: [], tenant_weights: [] };
    await world.opened.control.items.create({ ...made, ...lists });
    const chain = "control/switches";
    expect(await findings()).toEqual([{ chain, seq: 1, why: "no record says who made overrides" }]);
    await overrides.delete();
    await world.opened.operate({ list: "tenant_weights", name: "team-a", value: 3 });
    await world.opened.operate({ list: "tenant_weights", name: "team-a", value: 4 });
    expect(await findings()).toEqual([]);
    const { resource } = await overrides.read();
    await overrides.replace({ ...resource, tenant_weights: [] } as never);
    const why = "overrides is not as this change left it";
    expect(await findings()).toEqual([{ chain, seq: 2, why }]);
    await overrides.delete();
    expect(await findings()).toEqual([{ chain, seq: 2, why }]);
  });
});

describe("trails of format 1, made by the version before", () => {
  const fixture = JSON.parse(
    readFileSync(path.join(root, "test/fixtures/trails-of-format-1.json"), "utf8"),
  ) as Record<
    "jobs" | "control",
    ({ id: string; job_id: string; tenant_id: string } & Record<string, unknown>)[]
  >;
  beforeEach(async () => {
    for (const container of ["jobs", "control"] as const)
      for (const item of fixture[container]) await world.opened[container].items.upsert(item);
  });
  const completed = fixture.jobs.find(
    ({ id, status }) => id === "job" && status === "completed",
  ) as unknown as Job;

  it("verify as they are stored, contents and all", async () => {
    const { counts } = await world.verify({ contents });
    expect(await findings()).toEqual([]);
    expect(counts).toMatchObject({ jobs: 6, control_records: 1 });
  });

  it.each([
    ["a record", "audit-000002", { actor: "x" }],
    ["the request", "request", { body: '{"model":"gpt-sim","messages":[]}' }],
    ["the response", "response", { body: "{}" }],
    ["its cost", "job", { cost: null }],
  ])("and a change of %s is found", async (_, id, change) => {
    await world.edit(completed, id, change);
    expect(await findings()).toMatchObject([{ chain: chainOf(completed) }]);
  });

  it("are a fault from when an operator says that none is made any more", async () => {
    const { trail } = world.opened.ports;
    await requireFormat({ trail, clock: world.clock }, { changeId: "f", actor: "ops/key:0", reason: null });
    expect(await findings()).toEqual([]);
    world.clock.advance(1_000);
    // A history made anew, in the form that knows no tenant.
    const at = Math.floor(world.clock.now() / 1000);
    const { resource } = await world.item(completed, "audit-000001").read();
    const names = ["id", "v", "kind", "ttl", "tenant_id", "billed", "hash"];
    const fields = Object.entries(resource ?? {}).filter(
      ([name]) => !(names.includes(name) || name.startsWith("_")),
    );
    const forged = { ...Object.fromEntries(fields), job_id: "job_forged", at } as Parameters<
      typeof recordHash
    >[0];
    const key = { tenant_id: "team-b", job_id: "job_forged" };
    const hash = recordHash(forged);
    const of = { v: 1, ttl: -1, ...key };
    await world.opened.jobs.items.create({ ...of, id: "audit-000001", kind: "audit", ...forged, hash });
    const head = { audit_seq: 1, audit_hash: hash, created_at_ms: at * 1000, completed_at_ms: null };
    const live = { status: "queued", attempts: 0, deployment: null, provider: null, simulated: false };
    const none = { usage: null, cost: null, has_response: false };
    const item = { ...completed, ...of, ...head, ...live, ...none, id: "job" };
    await world.opened.jobs.items.create(item as never);
    await world.opened.jobs.items.create({ ...of, id: "request", kind: "request", body: "{}" });
    expect(await findings()).toEqual([
      { chain: "team-b/job_forged", seq: 1, why: "it is of format 1, made too late" },
    ]);
  });
});
