import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NO_SEAL, nextSealEnd, type Seal, type SealLeaf, sealDay } from "../../../shared/audit/seal/seal.ts";
import { sealDays } from "../../../shared/audit/seal/sealing.ts";
import { StoreUnavailable } from "../../../shared/store.ts";
import { AuditWorld, DAY_MS } from "./world.ts";

let world: AuditWorld;
beforeEach(async () => {
  world = await AuditWorld.open();
});
afterEach(() => world.close());

async function leavesOf(seals = world.seals): Promise<SealLeaf[][]> {
  const found: SealLeaf[][] = [];
  for await (const part of seals.parts()) {
    if (part.kind === "seal") found.push([]);
    else found.at(-1)?.push(...part.leaves);
  }
  return found;
}
const chunkIds = async (n: number) => {
  const partitionKey = `seal-${String(n).padStart(6, "0")}`;
  const query = "SELECT VALUE c.id FROM c";
  return (await world.opened.control.items.query<string>(query, { partitionKey }).fetchAll()).resources;
};
const purge = async (job: { tenant_id: string; job_id: string }, ...ids: string[]) => {
  for (const id of ids) await world.opened.jobs.item(id, [job.tenant_id, job.job_id]).delete();
};
const everything = ["job", "request", "response"];

describe("a daily seal", () => {
  it("has every head that changed since the last, and is chained to it", async () => {
    const one = await world.job();
    const two = await world.job(true);
    await world.change("off");
    const [first] = await world.sealDay();
    const three = await world.job();
    const [second] = await world.sealDay();
    expect(first).toMatchObject({ n: 1, leaves: 3, from_ts: 0, until: null });
    expect(second).toMatchObject({ n: 2, leaves: 2, from_ts: first?.to_ts, prev_hash: first?.hash });
    const heads = (await leavesOf()).map((leaves) =>
      leaves.map((leaf) => ("scope" in leaf ? leaf.scope : leaf.job_id)),
    );
    expect(heads).toEqual([
      [one.job_id, two.job_id, "switches"],
      [three.job_id, "switches"],
    ]);
    expect(await world.verify()).toMatchObject({
      findings: [],
      counts: { jobs: 3, seals: 2, sealed_heads: 5 },
    });
  });

  it("is made for a day that is over, once, and for days that were missed", async () => {
    expect(await sealDays(world.sealing())).toHaveLength(1); // all that was before today: nothing yet
    expect(await sealDays(world.sealing())).toHaveLength(0);
    await world.job();
    world.clock.advance(3 * DAY_MS);
    const made = await sealDays(world.sealing());
    expect(made.map(({ n, leaves }) => [n, leaves])).toEqual([
      [2, 1],
      [3, 0],
      [4, 0],
    ]);
    expect(new Set(made.map(sealDay)).size).toBe(3);
    expect((await world.verify()).findings).toEqual([]);
  });

  it("is made past a head that cannot be read, which the proof finds", async () => {
    const damaged = await world.job();
    const whole = await world.job();
    await world.edit(damaged, "job", { audit_hash: { what: 1 } });
    expect(await world.sealDay()).toMatchObject([{ leaves: 1 }]);
    expect(await leavesOf()).toMatchObject([[{ job_id: whole.job_id }]]);
    const chain = `${damaged.tenant_id}/${damaged.job_id}`;
    expect((await world.verify()).findings).toMatchObject([{ chain, seq: 3 }]);
  });

  it("that cannot be read, and heads of it that cannot, are found by the proof", async () => {
    await world.job();
    await world.sealDay();
    const item = (id: string, scope: string) => world.opened.control.item(id, scope);
    const damage = async (id: string, scope: string, change: object) => {
      const { resource } = await item(id, scope).read<object>();
      await item(id, scope).replace({ ...resource, ...change } as never);
      const { findings } = await world.verify();
      await item(id, scope).replace(resource as never);
      return findings;
    };
    const [chunk = ""] = await chunkIds(1);
    expect(await damage(chunk, "seal-000001", { leaves: "x" })).toMatchObject([
      { chain: "seals", seq: 1, why: "0 of its 1 sealed heads are stored" },
    ]);
    expect(await damage("seal-000001", "seals", { root: 7 })).toMatchObject([
      { chain: "seals", seq: 1, why: "the seal is missing: there are later ones" },
    ]);
    expect((await world.verify()).findings).toEqual([]);
  });

  it("finds the loss of a whole job: trail, job item and all", async () => {
    const job = await world.job();
    await world.job();
    await world.sealDay();
    await purge(job, ...everything);
    expect((await world.verify()).findings).toEqual([
      {
        chain: `${job.tenant_id}/${job.job_id}`,
        seq: 3,
        why: expect.stringMatching(/^the whole trail is gone: seal 1 \(\d{4}-\d\d-\d\d\) has it up to this/),
      },
    ]);
  });

  it("finds a trail cut short or written anew, head and hashes and all", async () => {
    const job = await world.job();
    await world.sealDay();
    const second = await world.record(job, "audit-000002");
    await world.remove(job, "audit-000003");
    await world.edit(job, "job", {
      ...{ status: "in_progress", audit_seq: 2, audit_hash: second?.hash },
      ...{ completed_at_ms: null, usage: null, cost: null, has_response: false, billed: undefined },
    });
    expect((await world.verify()).findings).toMatchObject([
      { seq: 3, why: expect.stringContaining("the record is gone: seal 1") },
    ]);
    // The same job of the same day, but another history of it.
    const other = await AuditWorld.open();
    other.clock.advance(1_000);
    await other.job();
    const { findings } = await other.verify({ seals: world.seals });
    await other.close();
    expect(findings).toMatchObject([
      { seq: 3, why: expect.stringContaining("it is not the record in seal 1") },
    ]);
  });

  it("does not count a trail as lost once its retention is over", async () => {
    const kept = await AuditWorld.open(30);
    try {
      const job = await kept.job();
      const keptSeconds = 7 * 86_400 + 30 * 86_400;
      await kept.sealDay({ keptSeconds });
      kept.clock.advance(31 * DAY_MS); // a day after the trail, the job item as well
      expect(await kept.trails.records(job)).toEqual([]);
      expect((await kept.verify()).findings).toEqual([]);
      kept.clock.advance(30 * DAY_MS); // the sealed heads lapse after all they are about
      expect(await kept.verify()).toMatchObject({ findings: [], counts: { seals: 1, sealed_heads: 0 } });
    } finally {
      await kept.close();
    }
  });

  it("counts it as lost a day before", async () => {
    const kept = await AuditWorld.open(30);
    try {
      const job = await kept.job();
      await kept.sealDay();
      kept.clock.advance(28 * DAY_MS);
      for (const id of everything)
        await kept
          .item(job, id)
          .delete()
          .catch(() => undefined);
      expect((await kept.verify()).findings).toHaveLength(1);
    } finally {
      await kept.close();
    }
  });
});

describe("sealing", () => {
  it("closes a seal early when there is much to seal, between two seconds, and misses nothing", async () => {
    for (let job = 0; job < 12; job++) {
      await world.job();
      if (job % 3 === 2) world.clock.advance(1_000);
    }
    const made = await world.sealDay({ maxLeaves: 4 });
    expect(made.map(({ leaves }) => leaves)).toEqual([6, 6]);
    const ids = (await leavesOf()).flat().map((leaf) => ("scope" in leaf ? leaf.scope : leaf.job_id));
    expect(new Set(ids).size).toBe(12);
    expect((await world.verify()).findings).toEqual([]);
  });

  it("is right when two instances seal at once: one wins, nothing of the other stays", async () => {
    await world.job();
    world.clock.advance(DAY_MS);
    const [a, b] = await Promise.all([sealDays(world.sealing()), sealDays(world.sealing())]);
    const made = [...a, ...b];
    expect(made.map(({ n }) => n)).toEqual([1]);
    expect(await chunkIds(1)).toEqual([`${made[0]?.run}-000001`]);
    expect((await world.verify()).findings).toEqual([]);
  });

  it("begins again after a run that died half way, and clears up after it", async () => {
    await world.job();
    world.opened.cosmos.setFaults({
      rules: [{ operation: "batch", effect: { kind: "refuse", status: 503, retry_after_ms: 1 } }],
    });
    await expect(world.sealDay()).rejects.toThrow(StoreUnavailable);
    world.opened.cosmos.setFaults({ rules: [] });
    expect(await chunkIds(1)).toHaveLength(1);
    const [seal] = await sealDays(world.sealing());
    expect(await chunkIds(1)).toEqual([`${seal?.run}-000001`]);
    expect((await world.verify()).findings).toEqual([]);
  });

  it("seals once though the answer of its write was lost", async () => {
    await world.job();
    world.opened.cosmos.setFaults({
      rules: [{ operation: "batch", count: 1, effect: { kind: "drop", when: "after" } }],
    });
    await world.sealDay().catch(() => undefined);
    expect(await sealDays(world.sealing())).toEqual([]);
    expect(await world.verify()).toMatchObject({ findings: [], counts: { seals: 1, sealed_heads: 1 } });
  });

  it("ends a day at midnight UTC, once it is surely over by every clock", () => {
    const midnight = Date.UTC(2026, 10, 24) / 1000;
    const head = { ...NO_SEAL, n: 1, to_ts: midnight - 86_400 };
    expect(nextSealEnd(head, (midnight + 299) * 1000)).toBeUndefined();
    expect(nextSealEnd(head, (midnight + 300) * 1000)).toBe(midnight);
    expect(nextSealEnd({ ...head, to_ts: midnight }, (midnight + 3600) * 1000)).toBeUndefined();
    expect(nextSealEnd({ ...head, to_ts: midnight - 5_000 }, (midnight + 3600) * 1000)).toBe(midnight);
    expect(nextSealEnd(NO_SEAL, (midnight + 3600) * 1000)).toBe(midnight);
    expect(sealDay({ to_ts: midnight })).toBe("2026-11-23");
  });
});

describe("seals beneath which somebody wrote", () => {
  const item = (id: string, scope = "seals") => world.opened.control.item(id, scope);
  const seal = async (id: string, scope = "seals") => (await item(id, scope).read()).resource as Seal;
  beforeEach(async () => {
    for (let day = 0; day < 3; day++) {
      await world.job();
      await world.sealDay();
    }
  });

  it.each([1, 2, 3])("seal %i deleted", async (n) => {
    await item(`seal-00000${n}`).delete();
    expect((await world.verify()).findings).toMatchObject([
      { chain: "seals", seq: n, why: expect.stringContaining("missing") },
    ]);
  });

  it("a seal edited, a head moved back", async () => {
    const before = await seal("seal-000002");
    await item("seal-000002").replace({ ...before, sealed_at: 1 } as never);
    expect((await world.verify()).findings).toMatchObject([{ chain: "seals", seq: 2 }]);
    await item("seal-000002").replace(before as never);
    const head = await seal("seal-head");
    await item("seal-head").replace({ ...head, hash: before.hash } as never);
    expect((await world.verify()).findings).toMatchObject([{ chain: "seals", seq: 3 }]);
  });

  it("sealed heads deleted, or one of them taken out", async () => {
    const { run } = await seal("seal-000002");
    const chunk = item(`${run}-000001`, "seal-000002");
    const { resource } = await chunk.read();
    await chunk.delete();
    expect((await world.verify()).findings).toMatchObject([
      { chain: "seals", seq: 2, why: "0 of its 1 sealed heads are stored" },
    ]);
    const leaves = [{ ...resource?.leaves[0], seq: 1 }];
    await world.opened.control.items.create({ ...resource, leaves });
    const { findings } = await world.verify();
    expect(findings).toContainEqual({
      chain: "seals",
      seq: 2,
      why: "its sealed heads do not give its Merkle root",
    });
  });
});
