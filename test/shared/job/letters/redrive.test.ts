import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { verifyChain } from "../../../../shared/audit/chain.ts";
import { nudgeOf } from "../../../../shared/azure/service-bus/nudges.ts";
import { deleteJobContent } from "../../../../shared/job/ending/delete-content.ts";
import { end } from "../../../../shared/job/ending/end.ts";
import { acceptJob } from "../../../../shared/job/intake/accept.ts";
import type { Job } from "../../../../shared/job/job.ts";
import { deadLetterId, Repeats, settleDeadLetter } from "../../../../shared/job/letters/dead-letter.ts";
import { type RedriveDeps, redrive } from "../../../../shared/job/letters/redrive.ts";
import { draftOf } from "../../../../shared/job/life-cycle.ts";
import type { DeadLetter } from "../../../../shared/job/ports.ts";
import { change } from "../../../../shared/job/saving.ts";
import { StoreUnavailable } from "../../../../shared/store.ts";
import { type Instance, silent, tenantsWith, World } from "../../world.ts";
import { by, inState, submission } from "../samples.ts";

const world = await World.open();
afterAll(() => world.close());
const { clock, nudges } = world;
const { store } = world.ports;
const ACTOR = "ops/key:12345678";
let one: Instance;
let deps: RedriveDeps;
let count = 0;
beforeEach(() => {
  world.cosmos.setFaults({ rules: [] });
  nudges.sent.length = 0;
  nudges.failing = false;
  world.tenants = tenantsWith();
  one = world.instance();
  deps = { ...one.service.redrive, log: silent };
});

async function job(status: "queued" | "failed" | "completed" = "queued"): Promise<Job> {
  const jobId = `job_${String(++count).padStart(32, "0")}`;
  const nowMs = clock.now();
  const accepted = acceptJob({ ...submission, deadlineMs: nowMs + 1000 }, { ...by, jobId, nowMs });
  await store.create(accepted, nowMs);
  if (status === "queued") return accepted.job;
  const ended = await change(store, accepted.job, clock, (current) =>
    end(draftOf(inState(current, "queued")), { status, nowMs, actor: "worker:1" }),
  );
  if (ended === undefined) throw new Error("no job");
  return ended.job;
}

async function letter(of: Job | null, messageId = `m${++count}`): Promise<DeadLetter> {
  const nudge = of === null ? null : { v: 1, tenant_id: of.tenant_id, job_id: of.job_id };
  const kept = {
    id: deadLetterId(messageId, count),
    message_id: messageId,
    nudge,
    reason: "MaxDeliveryCountExceeded",
    description: "",
    at_ms: clock.now(),
  };
  await deps.deadLetters.keep(kept);
  return kept;
}

const trailOf = async (key: Job | { tenant_id: string; job_id: string }) => store.audit(key);
const controlRecords = async () => (await deps.trail.records("dead_letters", { limit: 1000 })).records;
const recordsOf = async (id: string) =>
  (await controlRecords()).filter((record) => record.details.dead_letter === id);
const refusal = (id: string) =>
  redrive(deps, id, ACTOR).then(
    () => "redriven",
    (thrown: { code?: string }) => thrown.code ?? String(thrown),
  );

it("is refused as a submit of the tenant's own would be, and makes nothing of the letter then", async () => {
  const ended = await job("failed");
  const { id } = await letter(ended);
  world.tenants = tenantsWith({ currency: "USD", per_day: "0", over: "refuse" });
  expect(await refusal(id)).toBe("budget_exceeded");
  expect(await recordsOf(id)).toEqual([]);
  world.tenants = tenantsWith();
  const made = await redrive(deps, id, ACTOR);
  // Made before, it is the same answer whatever the budget says now.
  world.tenants = tenantsWith({ currency: "USD", per_day: "0", over: "refuse" });
  expect((await redrive(deps, id, ACTOR)).redriven).toEqual(made.redriven);
});

describe("redriving a dead letter", () => {
  it("of a live job nudges it, and records that once while the job stays as it is", async () => {
    const live = await job();
    const { id } = await letter(live);
    const first = await redrive(deps, id, ACTOR);
    expect(first).toMatchObject({ redriven: { outcome: "nudged", job_id: live.job_id }, nudged: true });
    expect(await redrive(deps, id, "ops/key:other")).toEqual(first);
    expect(nudges.sent.map(({ nudge }) => nudge.job_id)).toEqual([live.job_id, live.job_id]);
    expect(await recordsOf(id)).toMatchObject([{ event: "redriven", actor: ACTOR }]);
    expect((await store.read(live))?.value).toEqual({ ...live, audit_until_ms: null });
  });

  it.each(["failed", "completed"] as const)("of a job that %s makes a new one, once", async (status) => {
    const old = await job(status);
    const { id } = await letter(old);
    const first = await redrive(deps, id, ACTOR);
    const newKey = { tenant_id: old.tenant_id, job_id: first.redriven.job_id };
    expect(first).toMatchObject({ redriven: { outcome: "new_job" }, redrivenFrom: old.job_id, nudged: true });
    expect(newKey.job_id).not.toBe(old.job_id);

    const made = await store.readWithRequest(newKey);
    expect(made?.request).toEqual({ body: submission.bodyText });
    expect(made?.job.value).toMatchObject({
      status: "queued",
      redriven_from: old.job_id,
      ...{ model: old.model, endpoint: old.endpoint, metadata: old.metadata, priority: old.priority },
      deadline_ms: clock.now() + 3600_000,
    });
    expect(await trailOf(newKey)).toMatchObject([
      { event: "accepted", actor: ACTOR, reason: `redriven from ${old.job_id}` },
    ]);
    const told = (await store.read(old))?.value;
    expect(told).toMatchObject({ status, redriven_to: newKey.job_id });
    const oldTrail = await trailOf(old);
    expect(oldTrail.map(({ event }) => event)).toEqual(["accepted", status, "redriven"]);
    expect(oldTrail.at(-1)).toMatchObject({ actor: ACTOR, reason: `redriven to ${newKey.job_id}` });
    expect(verifyChain(oldTrail, { seq: told?.audit_seq ?? 0, hash: told?.audit_hash ?? "" }).intact).toBe(
      true,
    );

    // Again, by another letter of the same job too: the same new job, and nothing more happens to either.
    const other = await letter(old);
    expect(await redrive(deps, id, "ops/key:other")).toEqual(first);
    expect((await redrive(deps, other.id, ACTOR)).redriven.job_id).toBe(newKey.job_id);
    expect(nudges.sent).toHaveLength(1);
    expect(await trailOf(old)).toEqual(oldTrail);
    expect([(await recordsOf(id)).length, (await recordsOf(other.id)).length]).toEqual([1, 1]);
    expect((await deps.deadLetters.read(id))?.redriven).toMatchObject({
      job_id: newKey.job_id,
      actor: ACTOR,
    });
  });

  it("is one job however many ask at the same moment", async () => {
    const old = await job("failed");
    const letters = await Promise.all([1, 2, 3].map(() => letter(old)));
    const results = await Promise.all(letters.map(({ id }) => redrive(deps, id, ACTOR)));
    expect(new Set(results.map(({ redriven }) => redriven.job_id)).size).toBe(1);
    expect((await trailOf(old)).filter(({ event }) => event === "redriven")).toHaveLength(1);
  });

  it("that was cut off after any of its writes is finished by the next", async () => {
    for (const writes of [0, 1, 2]) {
      const old = await job("failed");
      const { id } = await letter(old);
      let left = writes;
      const failing = <T>(write: () => Promise<T>) =>
        left-- > 0 ? write() : Promise.reject(new StoreUnavailable("cut off"));
      const cut: RedriveDeps = {
        ...deps,
        store: {
          ...readsOf(store),
          write: (...args) => failing(() => store.write(...args)),
          create: (...args) => failing(() => store.create(...args)),
        },
        trail: {
          view: (...args) => deps.trail.view(...args),
          records: (...args) => deps.trail.records(...args),
          append: (...args) => failing(() => deps.trail.append(...args)),
        },
      };
      await expect(redrive(cut, id, ACTOR)).rejects.toThrow("cut off");
      const result = await redrive(deps, id, ACTOR);
      const made = await store.read({ tenant_id: old.tenant_id, job_id: result.redriven.job_id });
      expect(made?.value.redriven_from).toBe(old.job_id);
      expect((await trailOf(old)).map(({ event }) => event)).toEqual(["accepted", "failed", "redriven"]);
      expect(await recordsOf(id)).toHaveLength(1);
    }
  });

  it("is refused where nothing can be made of it, and leaves no trace then", async () => {
    const before = await controlRecords();
    expect(await refusal(`dl_${"0".repeat(32)}`)).toBe("dead_letter_not_found");
    expect(await refusal((await letter(null)).id)).toBe("dead_letter_unreadable");
    const absent = { ...(await job()), job_id: `job_${"f".repeat(32)}` };
    expect(await refusal((await letter(absent)).id)).toBe("request_gone");
    const erased = await job("completed");
    await deleteJobContent(one.service, erased, "team-a/key:0");
    expect(await refusal((await letter(erased)).id)).toBe("request_gone");
    expect((await store.read(erased))?.value).not.toHaveProperty("redriven_to");
    expect(await controlRecords()).toEqual(before);
    expect(nudges.sent).toEqual([]);
  });

  it("answers the same after the old job's content was erased", async () => {
    const old = await job("failed");
    const { id } = await letter(old);
    const first = await redrive(deps, id, ACTOR);
    await deleteJobContent(one.service, old, "team-a/key:0");
    expect(await redrive(deps, id, ACTOR)).toEqual(first);
  });

  it("says so when Service Bus does not take the nudge: the sweeper will", async () => {
    const old = await job("failed");
    nudges.failing = true;
    const result = await redrive(deps, (await letter(old)).id, ACTOR);
    expect(result.nudged).toBe(false);
    const made = await store.read({ tenant_id: old.tenant_id, job_id: result.redriven.job_id });
    expect(made?.value).toMatchObject({ wake_at_ms: clock.now() + deps.nudgeGraceMs });
  });
});

describe("dead letters", () => {
  it("are kept once, whatever their ids hold, and a second delivery undoes no redrive", async () => {
    const live = await job();
    const kept = await letter(live, "odd/id\\with?all#that");
    await redrive(deps, kept.id, ACTOR);
    await settleDeadLetter({ ...deps, repeats: new Repeats() }, kept);
    expect((await deps.deadLetters.read(kept.id))?.redriven?.job_id).toBe(live.job_id);
    const { letters } = await deps.deadLetters.list({ jobId: live.job_id, limit: 10 });
    expect(letters).toHaveLength(1);
  });

  it("are listed newest first, in pages, and counted", async () => {
    const live = await job();
    const before = await deps.deadLetters.count();
    const kept: string[] = [];
    for (let n = 0; n < 7; n++) {
      if (n % 2 === 0) clock.advance(1); // two of each share a moment
      kept.push((await letter(live)).id);
    }
    const after = await deps.deadLetters.count();
    expect(after).toEqual({
      kept: before.kept + 7,
      untouched: before.untouched + 7,
      newestAtMs: clock.now(),
    });
    const seen: string[] = [];
    let last: DeadLetter | undefined;
    for (let more = true; more; ) {
      const page = await deps.deadLetters.list({ jobId: live.job_id, limit: 3, after: last });
      seen.push(...page.letters.map(({ id }) => id));
      last = page.letters.at(-1);
      more = page.hasMore;
    }
    expect([...seen].sort()).toEqual([...kept].sort());
    expect(seen.slice(0, 1)).toEqual(kept.slice(-1));
    await redrive(deps, kept[0] ?? "", ACTOR);
    const touched = await deps.deadLetters.list({ jobId: live.job_id, redriven: true, limit: 10 });
    expect(touched.letters.map(({ id }) => id)).toEqual(kept.slice(0, 1));
    expect((await deps.deadLetters.count()).untouched).toBe(after.untouched - 1);
  });
});

describe("a message's body", () => {
  it("is a nudge by its own fields alone", () => {
    const nudge = { v: 1, tenant_id: "team-a", job_id: "job_1" };
    const lease = { claim_id: "c", renewals: 2 };
    expect(nudgeOf({ ...nudge, looks: 3, dead_lease: { ...lease, x: 1 }, prompt: "secret" })).toEqual({
      ...nudge,
      looks: 3,
      dead_lease: lease,
    });
    for (const body of [
      null,
      "text",
      [],
      { ...nudge, v: "1" },
      { ...nudge, job_id: "" },
      { ...nudge, tenant_id: "x".repeat(256) },
    ]) {
      expect(nudgeOf(body)).toBeUndefined();
    }
  });
});

function readsOf(store: RedriveDeps["store"]): RedriveDeps["store"] {
  return {
    create: (...args) => store.create(...args),
    read: (...args) => store.read(...args),
    readWithRequest: (...args) => store.readWithRequest(...args),
    readResponse: (...args) => store.readResponse(...args),
    readWithResponse: (...args) => store.readWithResponse(...args),
    write: (...args) => store.write(...args),
    find: (...args) => store.find(...args),
    list: (...args) => store.list(...args),
    audit: (...args) => store.audit(...args),
    coalescing: (...args) => store.coalescing(...args),
    hasRecord: (...args) => store.hasRecord(...args),
  };
}
