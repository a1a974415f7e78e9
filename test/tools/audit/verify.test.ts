import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { controlRecordHash } from "../../../shared/audit/control-record.ts";
import { nextRecord, recordHash } from "../../../shared/audit/record.ts";
import type { Job } from "../../../shared/job/job.ts";
import { AuditWorld } from "./world.ts";

let world: AuditWorld;
let ended: Job;
let live: Job;

function opensWorld(hasItems: boolean): void {
  beforeAll(async () => {
    world = await AuditWorld.open(0, hasItems);
    ended = await world.job();
    live = await world.job(true);
    for (const name of ["a", "b", "c"]) await world.change(name);
  });
  afterAll(() => world.close());
}

const chainOf = (job: Job) => `${job.tenant_id}/${job.job_id}`;

/** Changes a job's items beneath the app's feet, verifies, and puts back all as it was. */
async function tampered(job: Job, tamper: () => Promise<unknown>) {
  const partitionKey = [job.tenant_id, job.job_id];
  const all = () =>
    world.opened.jobs.items.query<{ id: string }>("SELECT * FROM c", { partitionKey }).fetchAll();
  const before = (await all()).resources;
  await tamper();
  const { findings } = await world.verify();
  for (const { id } of (await all()).resources) await world.item(job, id).delete();
  for (const item of before) await world.opened.jobs.items.create(item);
  return findings;
}

const recordOf = async (job: Job, seq: number) => {
  const record = await world.record(job, `audit-00000${seq}`);
  if (record === undefined) throw new Error(`no record ${seq}`);
  return record;
};

describe.each([
  ["the job's item", false],
  ["items of their own", true],
])("verify of records in %s", (_, hasItems) => {
  opensWorld(hasItems);

  it("finds nothing where nothing was done, in trails of every kind", async () => {
    const { findings, counts } = await world.verify();
    expect(findings).toEqual([]);
    expect(counts).toMatchObject({ jobs: 2, records: 5, control_records: 3, broken: 0 });
  });

  it.each([1, 2, 3])("finds record %i deleted", async (seq) => {
    const findings = await tampered(ended, () => world.remove(ended, `audit-00000${seq}`));
    expect(findings).toEqual([{ chain: chainOf(ended), seq, why: expect.stringContaining("missing") }]);
  });

  it("finds an edited field", async () => {
    const findings = await tampered(ended, () => world.edit(ended, "audit-000002", { actor: "worker:2" }));
    expect(findings).toEqual([{ chain: chainOf(ended), seq: 2, why: "its fields do not give its hash" }]);
  });

  it("finds an edited field whose hash was made to fit", async () => {
    const findings = await tampered(ended, async () => {
      const item = await recordOf(ended, 2);
      const { job_id, seq, at, event, attempt, deployment, provider, simulated, outcome, reason } = item;
      const { usage, cost, latency_ms, request_sha256, response_sha256, prev_hash } = item;
      const hash = recordHash({
        ...{ job_id, seq, at, event, actor: "worker:2", attempt, deployment, provider, simulated, outcome },
        ...{ reason, usage, cost, latency_ms, request_sha256, response_sha256, prev_hash },
      });
      await world.edit(ended, "audit-000002", { actor: "worker:2", hash });
    });
    expect(findings).toMatchObject([{ seq: 3, why: "prev_hash is not the hash of the record before" }]);
  });

  it.runIf(hasItems)("finds two records that changed places", async () => {
    const findings = await tampered(ended, async () => {
      const [two, three] = [await recordOf(ended, 2), await recordOf(ended, 3)];
      await world.item(ended, "audit-000002").replace({ ...three, id: "audit-000002" } as never);
      await world.item(ended, "audit-000003").replace({ ...two, id: "audit-000003" } as never);
    });
    expect(findings).toMatchObject([{ seq: 2, why: "record 3 is stored in another's place" }]);
  });

  it("finds an inserted record, well linked at the end or a copy in between", async () => {
    const insert = (record: object, id: string) =>
      world.opened.jobs.items.create({ ...record, id, v: 1, kind: "audit", tenant_id: ended.tenant_id });
    const atTheEnd = await tampered(ended, async () => {
      const last = await recordOf(ended, 3);
      const forged = nextRecord(last, ended.job_id, world.clock.now(), { event: "waiting", actor: "x" });
      await insert(forged, "audit-000004");
    });
    expect(atTheEnd).toMatchObject([{ seq: 4, why: "it comes after the chain's head, which is at 3" }]);
    const between = await tampered(ended, async () => insert(await recordOf(ended, 2), "audit-0000021"));
    expect(between).toMatchObject([{ seq: 4, why: "record 2 is stored in another's place" }]);
  });

  it("finds a head that is not the chain's, and a status that no record gives", async () => {
    const head = await tampered(ended, () => world.edit(ended, "job", { audit_hash: "0".repeat(64) }));
    expect(head).toMatchObject([{ seq: 3, why: "its hash is not that of the chain's head" }]);
    const status = await tampered(ended, () => world.edit(ended, "job", { status: "failed" }));
    expect(status).toMatchObject([{ seq: 3, why: "the job is failed, but its record says completed" }]);
    const undone = await tampered(live, () => world.edit(live, "job", { status: "cancelled" }));
    expect(undone).toMatchObject([{ seq: 2, why: "the job is cancelled, but no record says so" }]);
  });

  it("finds a head and records that cannot be read", async () => {
    for (const change of [{ audit_seq: "3" }, { audit_hash: null }, { status: 7 }]) {
      const head = await tampered(ended, () => world.edit(ended, "job", change));
      expect(head).toMatchObject([{ chain: chainOf(ended) }]);
    }
    for (const change of [{ seq: "2" }, { kind: "x" }, { usage: { a: 1 } }, { v: 9, hash: 1 }]) {
      const record = await tampered(ended, () => world.edit(ended, "audit-000002", change));
      expect(record).toMatchObject([{ chain: chainOf(ended), seq: 2 }]);
    }
  });

  it("finds a whole trail deleted under its job, and a job deleted over its trail", async () => {
    const trail = await tampered(ended, async () => {
      for (const seq of [1, 2, 3]) await world.remove(ended, `audit-00000${seq}`);
    });
    expect(trail).toMatchObject([{ chain: chainOf(ended), seq: 1, why: "the whole trail is gone" }]);
    const job = await tampered(ended, () => world.item(ended, "job").delete());
    // Where nothing is left of it but its content, a seal tells.
    expect(job).toMatchObject(hasItems ? [{ chain: chainOf(ended), why: "its job item is gone" }] : []);
  });

  it("names each broken chain once", async () => {
    const findings = await tampered(ended, () =>
      tampered(live, async () => {
        await world.edit(live, "audit-000001", { actor: "x" });
        await world.edit(ended, "audit-000001", { actor: "x" });
        await world.edit(ended, "audit-000002", { actor: "x" });
      }).then((both) => expect(both.map(({ chain }) => chain).sort()).toEqual([ended, live].map(chainOf))),
    );
    expect(findings).toMatchObject([{ chain: chainOf(ended), seq: 1 }]);
  });
});

describe("verify of control's chain", () => {
  opensWorld(false);
  const item = (id: string) => world.opened.control.item(id, "switches");
  async function tamperedControl(tamper: () => Promise<unknown>) {
    const ids = ["audit-000000001", "audit-000000002", "audit-000000003", "audit-head"];
    const before = await Promise.all(ids.map(async (id) => (await item(id).read()).resource));
    await tamper();
    const { findings } = await world.verify();
    await item("audit-000000004")
      .delete()
      .catch(() => undefined);
    for (const one of before) await world.opened.control.items.upsert(one);
    return findings;
  }
  const edit = async (id: string, change: object) =>
    item(id).replace({ ...(await item(id).read()).resource, ...change });

  it.each([1, 2, 3])("finds record %i deleted", async (seq) => {
    const findings = await tamperedControl(() => item(`audit-00000000${seq}`).delete());
    expect(findings).toMatchObject([
      { chain: "control/switches", seq, why: expect.stringMatching(/missing/) },
    ]);
  });

  it("finds a record edited, moved or added, and a head moved back", async () => {
    const edited = await tamperedControl(() => edit("audit-000000002", { details: { x: 1 } }));
    expect(edited).toMatchObject([{ seq: 2, why: "its fields do not give its hash" }]);
    const moved = await tamperedControl(async () => {
      const { resource } = await item("audit-000000003").read();
      await item("audit-000000002").replace({ ...resource, id: "audit-000000002" });
    });
    expect(moved).toMatchObject([{ seq: 2, why: "record 3 is stored in another's place" }]);
    const added = await tamperedControl(async () => {
      const { resource } = await item("audit-000000003").read();
      const { scope, event, actor, reason, details } = resource ?? {};
      const fields = { scope, seq: 4, at: 1, event, actor, change_id: "z", reason, details };
      const unsealed = { ...fields, prev_hash: resource?.hash };
      const hash = controlRecordHash(unsealed);
      const named = { id: "audit-000000004", v: 1, kind: "audit" };
      await world.opened.control.items.create({ ...named, ...unsealed, hash } as never);
    });
    expect(added).toMatchObject([{ seq: 4, why: "it comes after the chain's head, which is at 3" }]);
    const { resource } = await item("audit-000000002").read();
    const back = await tamperedControl(() => edit("audit-head", { seq: 2, hash: resource?.hash }));
    expect(back).toMatchObject([{ seq: 3 }]);
  });
});
