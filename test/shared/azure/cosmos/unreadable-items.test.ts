import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { NO_SEAL, nextSeal } from "../../../../shared/audit/seal/seal.ts";
import type { SealSource } from "../../../../shared/audit/seal/verify-seals.ts";
import {
  auditPlace,
  budgetPlace,
  contentPlace,
  controlChangePlace,
  controlHeadPlace,
  controlRecordPlace,
  deadLetterPlace,
  dispatcherLeasePlace,
  eventLogPlace,
  eventsPlace,
  ITEMS,
  type ItemKind,
  leavesPlace,
  outboxPlace,
  overridesPlace,
  type Place,
  poolPlace,
  reportPlace,
  rootPlace,
  sealHeadPlace,
  sealPlace,
  sweepRoundPlace,
  watchedLeasesPlace,
} from "../../../../shared/azure/cosmos/items.ts";
import { CosmosSeals } from "../../../../shared/azure/cosmos/seals.ts";
import { newAccount, reserve } from "../../../../shared/budget/account.ts";
import { changeOverrides } from "../../../../shared/control/change-overrides.ts";
import { Secrets } from "../../../../shared/control/secrets.ts";
import { end } from "../../../../shared/job/ending/end.ts";
import { acceptJob } from "../../../../shared/job/intake/accept.ts";
import { draftOf } from "../../../../shared/job/life-cycle.ts";
import type { LogFields } from "../../../../shared/log.ts";
import { newPool } from "../../../../shared/quota/belief/pool.ts";
import { UnreadableItem } from "../../../../shared/store.ts";
import { by, call, submission } from "../../job/samples.ts";
import { World } from "../../world.ts";

/** One item of each kind is damaged, beneath the app's feet, between others that are not. */
const told: LogFields[] = [];
const silence = () => undefined;
const error = (event: string, fields: LogFields = {}) => void told.push({ event, ...fields });
const log = { info: silence, warn: silence, error };
const opened = await World.open({ log: log });
afterAll(() => opened.close());
const { clock } = opened;
const nowMs = clock.now();

const SECRET = "what a prompt says";
const KEY = { tenant_id: "team-a", job_id: `job_${"1".repeat(32)}` };
const TOLD = { event: "job.completed", at_ms: nowMs } as const;
const LETTERS = [`dl_${"1".repeat(32)}`, `dl_${"2".repeat(32)}`];
const accountOf = (tenant_id: string) => ({ tenant_id, month: "2027-01", currency: "USD" });
const pool = { pool: newPool({ requests_per_minute: 60 }, nowMs), breakers: {}, backlog_until_ms: 5 };
const watched = { ...KEY, claim_id: "c", renewals: 1, since_ms: nowMs };
const leaf = { ...KEY, seq: 1, hash: "h", until: null };

type Adapters = World["ports"] & { readonly proof: SealSource };
const adapters = (): Adapters => {
  const { ports, items } = opened;
  return { ...ports, proof: new CosmosSeals(items.jobs, items.control) };
};

async function all<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const rows: T[] = [];
  for await (const page of pages) rows.push(page);
  return rows;
}

/** One read of a damaged item: it throws, or answers this. */
let random = 0;
const randomHex = (bytes: number) => String(++random).padStart(2 * bytes, "0");
const nameOf = ({ trail }: Adapters) =>
  new Secrets({ trail, clock, log: log, randomHex, actor: "instance:one" }).jobName("openai", "job_1");

type Look = readonly [read: (a: Adapters) => Promise<unknown>, then: "throws" | object | null];

interface Case {
  readonly place: Place;
  readonly damage: object;
  readonly looks: readonly Look[];
}

const seconds = Math.floor(nowMs / 1000);
const span = { tenantId: undefined, fromSeconds: seconds - 10, untilSeconds: seconds + 10 };
const request = async ({ store }: Adapters) => {
  const found = await store.readWithRequest(KEY);
  if (found?.request instanceof UnreadableItem) throw found.request;
  return found?.request;
};

/** An example of every kind except the job itself: a new kind must be added here. */
const cases: Readonly<Record<Exclude<keyof typeof ITEMS, "job">, Case>> = {
  request: {
    place: contentPlace(KEY, "request"),
    damage: { body: { SECRET } },
    looks: [[request, "throws"]],
  },
  response: {
    place: contentPlace(KEY, "response"),
    damage: { status_code: SECRET },
    looks: [
      [({ store }) => store.readResponse(KEY), "throws"],
      [({ store }) => store.readWithResponse(KEY), "throws"],
    ],
  },
  outbox: { place: outboxPlace(KEY, TOLD), damage: { event: { SECRET } }, looks: [] },
  event_log: {
    place: eventLogPlace(KEY),
    damage: { next: SECRET },
    looks: [[({ eventLogs }) => eventLogs.head(KEY), "throws"]],
  },
  events: {
    place: eventsPlace(KEY, 0),
    damage: { events: [{ number: 0, attempt: SECRET }] },
    looks: [[({ eventLogs }) => eventLogs.read(KEY, 0), []]],
  },
  audit: {
    place: auditPlace(KEY, 2),
    damage: { cost: { amount: SECRET, currency: "USD" } },
    looks: [
      [async ({ store }) => (await store.audit(KEY)).map(({ seq }) => seq), [1]],
      [async ({ billedCalls }) => (await all(billedCalls.pages(span))).flat(), []],
    ],
  },
  control_head: {
    place: controlHeadPlace("switches"),
    damage: { seq: SECRET },
    looks: [[({ trail }) => trail.records("switches", { limit: 9 }), "throws"]],
  },
  control_record: {
    place: controlRecordPlace("switches", 2),
    damage: { actor: null },
    looks: [
      [
        async ({ trail }) => (await trail.records("switches", { limit: 9 })).records.map(({ seq }) => seq),
        [1],
      ],
      [({ trail }) => trail.view("switches", "second", []), "throws"],
    ],
  },
  control_change: {
    place: controlChangePlace("switches", "second"),
    damage: { seq: -1 },
    looks: [[({ trail }) => trail.view("switches", "second", []), "throws"]],
  },
  overrides: {
    place: overridesPlace,
    damage: { switches: [{ state: SECRET }] },
    looks: [
      [({ overrides }) => overrides.readOverrides(undefined), "throws"],
      [({ trail }) => changeOverrides({ trail, clock }, weight(3), change("third")), "throws"],
    ],
  },
  root: {
    place: rootPlace,
    damage: { root: SECRET },
    looks: [[async (a) => ({ named: (await nameOf(a)).length }), { named: 32 }]],
  },
  dead_letter: {
    place: deadLetterPlace(LETTERS[0] ?? ""),
    damage: { redriven: { outcome: SECRET } },
    looks: [
      [({ deadLetters }) => deadLetters.read(LETTERS[0] ?? ""), "throws"],
      [
        async ({ deadLetters }) => {
          const { letters: found, hasMore } = await deadLetters.list({ limit: 1 });
          return { ids: found.map(({ id }) => id), hasMore };
        },
        { ids: [LETTERS[1]], hasMore: false },
      ],
    ],
  },
  budget: {
    place: budgetPlace(accountOf("team-a")),
    damage: { account: { spent: SECRET } },
    looks: [
      [({ budgetLedger }) => budgetLedger.read(accountOf("team-a")), "throws"],
      [
        async ({ budgetLedger }) =>
          (await budgetLedger.due(nowMs + 1e6, 1)).map(({ tenant_id }) => tenant_id),
        ["team-b"],
      ],
    ],
  },
  watched_leases: {
    place: watchedLeasesPlace,
    damage: { leases: [{ ...watched, renewals: SECRET }] },
    looks: [
      [({ leaseWatch }) => leaseWatch.read(), []],
      [({ leaseWatch }) => leaseWatch.keep([watched]).then(() => leaseWatch.read()), [watched]],
    ],
  },
  sweep_round: {
    place: sweepRoundPlace,
    damage: { round: SECRET },
    looks: [[({ sweepRounds }) => sweepRounds.last(), "throws"]],
  },
  quota_pool: {
    place: poolPlace("labs/one"),
    damage: { value: { ...pool, breakers: { d: { state: SECRET } } } },
    looks: [
      [
        async ({ quotaLedger }) => (await quotaLedger.read("labs/one"))?.value,
        { pool: { requests: null, tokens: null, not_before_ms: 0 }, breakers: {}, backlog_until_ms: 0 },
      ],
      [
        async ({ quotaLedger }) => {
          const etag = (await quotaLedger.read("labs/one"))?.etag;
          await quotaLedger.write([{ pool: "labs/one", record: pool, etag }]);
          return (await quotaLedger.read("labs/one"))?.value;
        },
        pool,
      ],
    ],
  },
  dispatcher_lease: {
    place: dispatcherLeasePlace,
    damage: { value: { holder: 7, renewals: SECRET } },
    looks: [
      [async ({ dispatcherLeases }) => (await dispatcherLeases.read())?.value, { holder: null, renewals: 0 }],
      [
        async ({ dispatcherLeases }) => {
          await dispatcherLeases.write({ holder: "i", renewals: 1 }, (await dispatcherLeases.read())?.etag);
          return (await dispatcherLeases.read())?.value;
        },
        { holder: "i", renewals: 1 },
      ],
    ],
  },
  quota_report: {
    place: reportPlace("one"),
    damage: { report: { instance: "one", seq: 1, news: SECRET } },
    looks: [
      [async ({ quotaReports }) => (await quotaReports.since(0)).map(({ instance }) => instance), ["two"]],
    ],
  },
  seal_head: {
    place: sealHeadPlace,
    damage: { hash: null },
    looks: [[({ seals }) => seals.sealHead(), "throws"]],
  },
  seal: {
    place: sealPlace(1),
    damage: { root: null },
    looks: [
      [({ seals }) => seals.readSeal(1), "throws"],
      [async ({ proof }) => (await all(proof.parts())).map(({ kind }) => kind), []],
    ],
  },
  seal_leaves: {
    place: leavesPlace(1, "run", 1),
    damage: { leaves: [leaf, SECRET] },
    looks: [[async ({ proof }) => (await all(proof.parts())).map(({ kind }) => kind), ["seal", "leaves"]]],
  },
};

const change = (changeId: string) => ({ changeId, actor: "ops", reason: null });
const weight = (value: number) => ({ list: "tenant_weights", name: "team-a", value }) as const;

/** Some of every kind: one to be damaged, and where there can be, another that is not. */
async function fill(a: Adapters): Promise<void> {
  const accepted = acceptJob(submission, { ...by, jobId: KEY.job_id, nowMs });
  const created = await a.store.create(accepted, nowMs);
  if (created.kind !== "written") throw new Error(created.kind);
  const response = { status_code: 200, request_id: null, body: "{}" };
  const ended = end(draftOf(accepted.job), {
    status: "completed",
    nowMs,
    actor: "w",
    call,
    response,
    outbox: [TOLD],
  });
  await a.store.write(ended, created.etag, nowMs);
  const event = { number: 0, attempt: 1, event: { data: "{}", isUsage: false } };
  await a.eventLogs.append(KEY, { claim_id: "c", attempt: 1, next: 1 }, [event], undefined, nowMs + 1e6);
  for (const [n, name] of ["first", "second"].entries())
    await changeOverrides({ trail: a.trail, clock }, weight(n + 1), change(name));
  await nameOf(a);
  for (const [n, id] of LETTERS.entries()) {
    const letter = { message_id: "m", nudge: null, reason: "r", description: "" };
    await a.deadLetters.keep({ id, ...letter, at_ms: nowMs - n });
  }
  const budget = { currency: "USD", per_day: "5", over: "wait" } as const;
  for (const [n, tenant] of ["team-a", "team-b"].entries()) {
    const key = accountOf(tenant);
    const ask = { job_id: "j", attempt: 1, claim_id: "c", amount: "1" };
    const reserved = reserve(newAccount(key.month, key.currency), budget, ask, nowMs + n);
    if (reserved.kind === "reserved") await a.budgetLedger.write(key, reserved.account, undefined);
  }
  await a.leaseWatch.keep([watched]);
  const round = { at_ms: nowMs, took_ms: 1, instance: "i", report: null, failure: "f" };
  await a.sweepRounds.keep(round);
  await a.quotaLedger.write([{ pool: "labs/one", record: pool, etag: undefined }]);
  await a.dispatcherLeases.write({ holder: "i", renewals: 1 }, undefined);
  for (const instance of ["one", "two"]) await a.quotaReports.write({ instance, seq: 1, news: [] }, nowMs);
  const times = { to_ts: 86_400, sealed_at: 86_401, until: null };
  const seal = nextSeal(NO_SEAL, { ...times, run: "run", leaves: 2, chunks: 2, root: "r" });
  for (const index of [1, 2]) await a.seals.writeLeaves(1, "run", index, [leaf], -1);
  await a.seals.write(seal, undefined);
}

/** Looks twice at an item that was damaged: what is told of it, is told once. */
async function lookTwice(kind: string, [read, then]: Look): Promise<void> {
  const a = adapters();
  told.length = 0;
  for (let n = 0; n < 2; n++) {
    const seen = await read(a).catch((thrown: unknown) => thrown);
    if (then === "throws") expect(seen).toMatchObject({ name: "UnreadableItem", kind });
    else expect(seen).toEqual(then);
    expect(String(seen)).not.toContain(SECRET);
  }
  expect(JSON.stringify(told)).not.toContain(SECRET);
  expect(told).toMatchObject(told.slice(0, 1).map(() => ({ event: "item_unreadable", kind })));
  if (then === "throws") expect(told).toEqual([]);
}

describe("an item that cannot be read", () => {
  beforeAll(() => fill(adapters()));

  const rows = Object.entries(cases).flatMap(([name, one]) => [
    ["damaged", name, one, one.damage] as const,
    ["of a version to come", name, one, { v: 9 }] as const,
    ["of no kind", name, one, { kind: undefined }] as const,
  ]);
  it.each(rows)("%s is a fault of that %s alone", async (_what, name, { place, looks }, fields) => {
    const { container, kind, document }: ItemKind = ITEMS[name as keyof typeof ITEMS];
    const item = opened[container].item(place.id, place.partition);
    const { resource } = await item.read<object>();
    expect(resource).toMatchObject({ id: place.id, kind });
    // What is written is what is known: else the next write would keep it as a neighbour's.
    const { _rid, _self, _etag, _attachments, _ts, ttl, ...own } = resource as Record<string, unknown>;
    expect(Object.keys(own).filter((field) => !(field in document.shape))).toEqual([]);
    for (const look of looks) {
      await item.replace({ ...resource, ...fields } as never);
      await lookTwice(kind, look);
    }
    await item.replace(resource as never);
  });
});
