import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyChain } from "../../../../shared/audit/chain.ts";
import { changeControl } from "../../../../shared/audit/control-trail.ts";
import { recordHash } from "../../../../shared/audit/record.ts";
import { NO_SEAL, nextSeal } from "../../../../shared/audit/seal/seal.ts";
import { CosmosBudgetLedger } from "../../../../shared/azure/cosmos/budgets.ts";
import { CosmosControlTrail } from "../../../../shared/azure/cosmos/control-trail.ts";
import { CosmosDeadLetters } from "../../../../shared/azure/cosmos/dead-letters.ts";
import {
  budgetPlace,
  controlHeadPlace,
  deadLetterPlace,
  dispatcherLeasePlace,
  overridesPlace,
  type Place,
  poolPlace,
  sealHeadPlace,
} from "../../../../shared/azure/cosmos/items.ts";
import { CosmosDispatcherLeases, CosmosQuotaLedger } from "../../../../shared/azure/cosmos/quota.ts";
import { CosmosSeals } from "../../../../shared/azure/cosmos/seals.ts";
import { newAccount } from "../../../../shared/budget/account.ts";
import { changeOverrides } from "../../../../shared/control/change-overrides.ts";
import { acceptJob } from "../../../../shared/job/intake/accept.ts";
import { runJob } from "../../../../shared/job/run/run.ts";
import { newPool } from "../../../../shared/quota/belief/pool.ts";
import { isKnownVersion, STORED_VERSION } from "../../../../shared/store.ts";
import { submission } from "../../job/samples.ts";
import { answer, completion, Labs, NudgeList, openStore, TestClock, workerOn } from "../../world.ts";

/** A host of the next version has stored a job; this one takes it over. */
const clock = new TestClock();
const labs = new Labs();
let opened: Awaited<ReturnType<typeof openStore>>;

beforeAll(async () => {
  await labs.start();
  opened = await openStore(clock);
});
afterAll(async () => {
  await labs.stop();
  await opened.close();
});

/** A job as a host of version `v` might store it: with a field of its own in the job and in the first record. */
async function storedBy(v: number): Promise<{ v: 1; tenant_id: string; job_id: string }> {
  const job_id = `job_${String(v).padStart(32, "0")}`;
  const bodyText = '{"model":"openai-one-model","messages":[]}';
  const { job, request, records } = acceptJob(
    { ...submission, model: "openai-one-model", bodyText, deadlineMs: clock.now() + 60_000 },
    { tenantId: "team-a", jobId: job_id, actor: "team-a/key:1", nowMs: clock.now(), nudgeGraceMs: 10_000 },
  );
  const [first] = records;
  if (first === undefined) throw new Error("no record");
  const { hash: _, ...fields } = first;
  const told = { ...fields, told_by_next: { why: "of a later version" } };
  const record = { ...told, hash: recordHash(told) };
  const items = opened.jobs.items;
  await items.create({ id: "job", ...job, v, audit_hash: record.hash, next_field: { kept: true }, ttl: -1 });
  const key = { tenant_id: "team-a", job_id };
  await items.create({ id: "request", kind: "request", ...key, ...request, v, ttl: -1 });
  await items.create({ id: "audit-000001", v, kind: "audit", tenant_id: "team-a", ...record, ttl: -1 });
  return { v: 1, tenant_id: "team-a", job_id };
}

/** Items of `control`: how this version writes over each, once it has read it. */
const pool = { pool: newPool({ requests_per_minute: 60 }, 0), breakers: {}, backlog_until_ms: 0 };
const account = { tenant_id: "team-a", month: "2027-01", currency: "USD" };
const letter = { id: `dl_${"0".repeat(32)}`, message_id: "m", reason: "r", description: "", at_ms: 0 };
const change = { scope: "switches", actor: "ops", reads: [] } as const;
const seal = { sealed_at: 1, until: null, run: "r", leaves: 0, chunks: 0, root: "r" };

interface Written {
  readonly place: Place;
  readonly write: () => Promise<unknown>;
}

function written(): Record<string, Written> {
  const { control, jobs } = opened.items;
  const pools = new CosmosQuotaLedger(control);
  const leases = new CosmosDispatcherLeases(control);
  const budgets = new CosmosBudgetLedger(control);
  const trail = new CosmosControlTrail(control);
  const letters = new CosmosDeadLetters(control);
  const seals = new CosmosSeals(jobs, control);
  let count = 0;
  const setWeight = () => {
    const setting = { list: "tenant_weights", name: "team-a", value: ++count } as const;
    return changeOverrides({ trail, clock }, setting, { changeId: `w${count}`, actor: "ops", reason: null });
  };
  return {
    pool: {
      place: poolPlace("p"),
      write: async () => pools.write("p", pool, (await pools.read("p"))?.etag),
    },
    "pool, with others": {
      place: poolPlace("q"),
      write: async () => {
        const etag = (await pools.read("q"))?.etag;
        const once = await pools.writeAll([{ pool: "q", record: pool, etag }]);
        // Again by the etag that this gave, without another read.
        if (once.kind === "written") await pools.writeAll([{ pool: "q", record: pool, etag: once.etags[0] }]);
      },
    },
    lease: {
      place: dispatcherLeasePlace,
      write: async () => leases.write({ holder: "i", renewals: 1 }, (await leases.read())?.etag),
    },
    budget: {
      place: budgetPlace(account),
      write: async () => {
        const found = await budgets.read(account);
        await budgets.write(account, found?.value ?? newAccount("2027-01", "USD"), found?.etag);
      },
    },
    overrides: { place: overridesPlace, write: setWeight },
    "control's head": {
      place: controlHeadPlace("switches"),
      write: () =>
        changeControl(
          { trail, clock },
          { ...change, changeId: `c${++count}`, decide: () => ({ event: "drained", writes: [] }) },
        ),
    },
    "dead letter": {
      place: deadLetterPlace(letter.id),
      write: async () => {
        await letters.keep({ ...letter, nudge: null });
        const view = await trail.view("dead_letters", "r", [letter.id]);
        const stored = view.items.get(letter.id);
        if (stored === undefined) throw new Error("the letter is gone");
        const item = { ...stored.value, reason: "changed" };
        const at = { ...change, scope: "dead_letters" as const, changeId: `r${++count}` };
        const decide = () => ({ event: "redriven" as const, writes: [{ kind: "replace" as const, item }] });
        await changeControl({ trail, clock }, { ...at, decide });
      },
    },
    "seals' head": {
      place: sealHeadPlace,
      write: async () => {
        const head = await seals.sealHead();
        const { n } = head?.value ?? NO_SEAL;
        await seals.write(nextSeal(head?.value ?? NO_SEAL, { ...seal, to_ts: (n + 1) * 86_400 }), head?.etag);
      },
    },
  };
}

describe("items of a neighbouring version", () => {
  it("are run and written back with their version and all that this one does not know", async () => {
    labs.reply("openai-one", answer(200, completion("Hello")));
    const key = await storedBy(STORED_VERSION + 1);
    const nudges = new NudgeList();
    await runJob(
      workerOn({ store: opened.store, clock, nudges, catalogue: labs.catalogue("openai-one") }),
      key,
    );
    const { resource } = await opened.jobs.item("job", [key.tenant_id, key.job_id]).read();
    expect(resource).toMatchObject({
      v: STORED_VERSION + 1,
      status: "completed",
      next_field: { kept: true },
    });
    const trail = await opened.store.audit(key);
    expect(trail[0]).toMatchObject({ told_by_next: { why: "of a later version" } });
    const head = { seq: resource.audit_seq, hash: resource.audit_hash };
    expect(verifyChain(trail, head)).toMatchObject({ intact: true, records: 3 });
  });

  it.each([
    "pool",
    "pool, with others",
    "lease",
    "budget",
    "overrides",
    "control's head",
    "dead letter",
    "seals' head",
  ])("keep what this one does not know when it writes over a %s", async (name) => {
    const { place, write } = written()[name] as Written;
    await write();
    const item = opened.control.item(place.id, place.partition);
    const { resource: own } = await item.read<Record<string, unknown>>();
    expect(own).toMatchObject({ v: STORED_VERSION });
    const next = { v: STORED_VERSION + 1, next_field: { kept: true } };
    const { resource: before } = await item.replace<object>({ ...own, ...next } as never);
    await write();
    const { resource: after } = await item.read();
    expect(after).toMatchObject(next);
    expect(after._etag).not.toBe((before as { _etag?: string } | undefined)?._etag);
    expect(Object.keys(after).sort()).toEqual(Object.keys({ ...own, ...next }).sort());
  });

  it("are the version before and the version after; others are refused by name", async () => {
    expect([0, 1, 2, 3].map((n) => isKnownVersion(STORED_VERSION - 1 + n))).toEqual([
      true,
      true,
      true,
      false,
    ]);
    const key = await storedBy(STORED_VERSION + 2);
    await expect(opened.store.read(key)).rejects.toThrow(`version ${STORED_VERSION + 2}`);
  });
});
