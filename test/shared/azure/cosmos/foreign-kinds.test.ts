import type { Container } from "@azure/cosmos";
import { afterAll, expect, it } from "vitest";
import { changeControl } from "../../../../shared/audit/control-trail.ts";
import { ITEMS, writingPlace } from "../../../../shared/azure/cosmos/items.ts";
import { CosmosTrails } from "../../../../shared/azure/cosmos/trails.ts";
import { LOOK_AFTER_MS, newAccount, reserve } from "../../../../shared/budget/account.ts";
import { end } from "../../../../shared/job/ending/end.ts";
import { acceptJob } from "../../../../shared/job/intake/accept.ts";
import { draftOf } from "../../../../shared/job/life-cycle.ts";
import { asItems, by, call, submission } from "../../job/samples.ts";
import { World } from "../../world.ts";

/** Items of a kind that nobody knows, with the very fields of those that are known. */
const DAY_SECONDS = 86_400;
const opened = await World.open();
afterAll(() => opened.close());
const { clock } = opened;
const nowMs = clock.now();

async function all<T>(pages: AsyncIterable<readonly T[]>): Promise<T[]> {
  const rows: T[] = [];
  for await (const page of pages) rows.push(...page);
  return rows;
}

/** Every job, record and item of `control` that a query finds, by each query there is. */
async function found() {
  const { items, ports } = opened;
  const { store, sweptJobs: swept, jobsInLine: parked, liveJobs: live, deadLetters: letters } = ports;
  const trails = new CosmosTrails(items.jobs, items.control);
  const stretch = { fromMs: nowMs - 60_000, toMs: nowMs + 60_000 };
  const seconds = Math.floor(nowMs / 1000);
  const span = {
    tenantId: undefined,
    fromSeconds: seconds - DAY_SECONDS,
    untilSeconds: seconds + DAY_SECONDS,
  };
  const names = ({ jobs }: Awaited<ReturnType<typeof store.list>>) => jobs.map(({ job_id }) => job_id);
  return {
    counts: [await live.count(), await letters.count(), await trails.countRecords()],
    live: await live.soonest(10),
    overdue: await swept.overdue(nowMs, 10),
    any_due: [await swept.isAnyDue(nowMs, stretch)].filter((due) => due),
    leases: await swept.lateLeases(nowMs, stretch, 10),
    parked: await parked.joinedAfter(0, 10),
    in_line: await parked.inLine({ after: "" }, 10),
    lane: await parked.inLine({ after: "", before: "~" }, 10),
    near: await parked.dueBefore(nowMs + DAY_SECONDS * 1000, 10),
    switched_off: await ports.waitingJobs.chosenBefore(9, 10),
    over_budget: await ports.waitingJobs.ofOtherBudgets(["other"], 10),
    listed: names(await store.list("team-a", { limit: 10 })),
    by_status: names(await store.list("team-a", { limit: 10, status: "queued" })),
    by_model: names(await store.list("team-a", { limit: 10, model: "gpt-sim" })),
    trail: await store.audit(key(1)),
    proven: await trails.records(key(1)),
    jobs: (await all(trails.jobs())).map(({ job_id }) => job_id),
    owners: (await all(trails.recordOwners())).map(({ job_id }) => job_id).sort(),
    changed: (await all(ports.seals.changedHeads(0, seconds + 60))).map(({ leaf }) => leaf),
    billed: await all(ports.billedCalls.pages(span)),
    budgets: (await ports.budgetLedger.due(nowMs + 2 * LOOK_AFTER_MS, 10)).map(({ tenant_id }) => tenant_id),
    letters: (await letters.list({ limit: 10 })).letters,
    reports: await ports.quotaReports.since(0),
    changes: (await ports.trail.records("switches", { limit: 10 })).records,
    control: (await all(trails.controlRecords("switches"))).map(({ storedAs }) => storedAs),
  };
}

const key = (n: number) => ({ tenant_id: "team-a", job_id: `job_${String(n).padStart(32, "0")}` });

/** A job as it is stored, with other fields. */
async function stored(n: number, fields: object): Promise<void> {
  const accepted = acceptJob(submission, { ...by, jobId: key(n).job_id, nowMs });
  await opened.ports.store.create(accepted, nowMs);
  const item = opened.jobs.item("job", [key(n).tenant_id, key(n).job_id]);
  const { resource } = await item.read<object>();
  await item.replace({ ...resource, wake_at_ms: nowMs - 1, ...fields });
}

async function fill(): Promise<void> {
  const { store, trail, ...ports } = opened.ports;
  const accepted = acceptJob(submission, { ...by, jobId: key(1).job_id, nowMs });
  const created = await store.create(asItems(accepted), nowMs);
  if (created.kind !== "written") throw new Error(created.kind);
  const ended = end(draftOf(accepted.job), { status: "completed", nowMs, actor: "w", call });
  await store.write(asItems(ended), created.etag, nowMs);
  await stored(2, { held: { cause: "over_budget", revision: 0, budget: "b" } });
  await stored(3, { held: { cause: "switched_off", revision: 0 } });
  const parked = { tokens: 1, deployments: ["d"], place: "team-a/1/x/0/j", deadline_ms: nowMs + 1000 };
  await stored(4, { parked_at_ms: nowMs, parked });
  const lease = { claim_id: "c", renewals: 0, seconds: 30 };
  await stored(5, { status: "in_progress", lease });

  await opened.items.jobs.put(ITEMS.writing, writingPlace(key(6), "0"), {
    ...{ ...key(6), content_id: "0", wake_at_ms: nowMs - 1 },
  });
  const at = { tenant_id: "team-a", month: "2027-01", currency: "USD" };
  const ask = { job_id: "j", attempt: 1, claim_id: "c", amount: "1" };
  const reserved = reserve(newAccount(at.month, at.currency), { ...budgetOf("5") }, ask, nowMs);
  if (reserved.kind !== "reserved") throw new Error(reserved.kind);
  await ports.budgetLedger.write(at, reserved.account, undefined);
  const letter = { message_id: "m", nudge: null, reason: "r", description: "", at_ms: nowMs };
  await ports.deadLetters.keep({ id: `dl_${"0".repeat(32)}`, ...letter });
  await ports.quotaReports.write({ instance: "i", seq: 1, news: [] }, nowMs);
  const change = { scope: "switches", changeId: "c", actor: "ops", reads: [] } as const;
  await changeControl(
    { trail, clock },
    { ...change, decide: () => ({ event: "switched_off" as const, writes: [] }) },
  );
}

const budgetOf = (per_day: string) => ({ currency: "USD", per_day, over: "wait" as const });

interface Item {
  readonly id: string;
  readonly [field: string]: unknown;
}
const allItems = async (container: Container) =>
  (await container.items.query<Item>("SELECT * FROM c").fetchAll()).resources;
const partitionOf = ({ scope, tenant_id, job_id }: Item) =>
  (scope ?? [tenant_id, job_id]) as string | string[];

it("nobody counts, finds, sweeps, dispatches, seals or bills an item of another kind", async () => {
  await fill();
  const before = await found();
  for (const [name, rows] of Object.entries(before)) expect([name, rows.length]).not.toEqual([name, 0]);
  const twins: [Container, Item][] = [];
  for (const container of [opened.jobs, opened.control]) {
    for (const item of await allItems(container)) {
      const twin = { ...item, id: `twin-${item.id}`, kind: "twin" };
      await container.items.create(twin);
      twins.push([container, item]);
    }
  }
  expect(twins.length).toBeGreaterThan(15);
  expect(await found()).toEqual(before);
  for (const [container, item] of twins) await container.item(item.id, partitionOf(item)).delete();
  const after = Object.entries(await found()).filter(([, rows]) => rows.length > 0);
  expect(after).toEqual([
    ["counts", [{ queued: 0, running: 0 }, { kept: 0, untouched: 0, newestAtMs: null }, 0]],
  ]);
});
