import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { NO_SEAL, nextSeal } from "../../../../shared/audit/seal/seal.ts";
import type { SealSource } from "../../../../shared/audit/seal/verify-seals.ts";
import {
  auditPlace,
  batchPlace,
  budgetPlace,
  chunkPlace,
  comparisonPlace,
  contentPlace,
  controlChangePlace,
  controlHeadPlace,
  controlRecordPlace,
  deadLetterPlace,
  deliveryPlace,
  dispatcherLeasePlace,
  endpointsPlace,
  eventLogPlace,
  eventsPlace,
  filePagesPlace,
  filePlace,
  fileWritingPlace,
  ITEMS,
  type ItemKind,
  keyUsePlace,
  leavesPlace,
  listenersPlace,
  managedTenantPlace,
  operationPlace,
  outboxPlace,
  overridesPlace,
  type Place,
  pagePlace,
  poolPlace,
  progressPlace,
  reportPlace,
  rootPlace,
  sealHeadPlace,
  sealPlace,
  sweepRoundPlace,
  watchedLeasesPlace,
  writingPlace,
} from "../../../../shared/azure/cosmos/items.ts";
import { CosmosSeals } from "../../../../shared/azure/cosmos/seals.ts";
import { type Batch, NO_USAGE, NOTHING_READ } from "../../../../shared/batch/batch.ts";
import { newAccount, reserve } from "../../../../shared/budget/account.ts";
import type { Comparison } from "../../../../shared/comparison/comparison.ts";
import { changeOverrides } from "../../../../shared/control/change-overrides.ts";
import { Secrets } from "../../../../shared/control/secrets.ts";
import { end } from "../../../../shared/job/ending/end.ts";
import { acceptJob } from "../../../../shared/job/intake/accept.ts";
import { draftOf } from "../../../../shared/job/life-cycle.ts";
import type { LogFields } from "../../../../shared/log.ts";
import { newPool } from "../../../../shared/quota/belief/pool.ts";
import { sha256Hex } from "../../../../shared/sha256.ts";
import { UnreadableItem } from "../../../../shared/store.ts";
import { eventOf, newDelivery } from "../../../../shared/webhook/delivery.ts";
import { asItems, by, call, submission } from "../../job/samples.ts";
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
const OPERATION = `op_${"1".repeat(32)}`;
const LARGE = { ...KEY, job_id: `job_${"2".repeat(32)}` };
const FILE = { tenant_id: "team-a", file_id: "file-1" };
const BATCH = { tenant_id: "team-a", batch_id: `batch_${"1".repeat(32)}` };
const batch: Batch = {
  ...{ ...BATCH, actor: "a", endpoint: "/v1/embeddings", input_file_id: "f", completion_window: "24h" },
  ...{ metadata: {}, status: "in_progress", times: {}, created_at_ms: 0, expires_at_ms: nowMs, total: 1 },
  ...{
    completed: 0,
    failed: 0,
    expired: 0,
    usage: NO_USAGE,
    costs: [],
    unknown_costs: 0,
    faults: [],
    turn: 1,
  },
  ...{ counts_as_of_ms: null, output_file_id: null, error_file_id: null },
};
const file = {
  ...{ ...FILE, filename: "f", purpose: "batch" as const, bytes: 1, created_at_ms: 0, expires_at_ms: null },
};
const TOLD = { event: "job.completed" } as const;
const ENDPOINT = "whe_1";
const DELIVERY = { ...KEY, ...TOLD, endpoint_id: ENDPOINT };
const sealed = { kid: "k", nonce: "n", sealed: "s" };
const endpoint = {
  ...{ id: ENDPOINT, name: "n", url: "https://hooks.example/", event_types: ["job.completed"] as const },
  ...{ secret: sealed, secret_hint: "h", created_at_ms: nowMs, updated_at_ms: nowMs },
};
const COMPARED: Comparison = {
  ...{ tenant_id: "team-a", job_id: "cmp_1", endpoint: "/v1/chat/completions", models: ["a", "b"] },
  ...{ priority: "standard", metadata: {}, envelope_sha256: "e", actor: "a", validated: false },
  ...{ created_at_ms: nowMs, deadline_ms: nowMs + 1, content_until_ms: nowMs + 1e6, wake_at_ms: nowMs },
};
/** A second delivery, which is not damaged. */
const OTHER = { ...DELIVERY, endpoint_id: "whe_2" };
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
  chunk: {
    place: chunkPlace(LARGE, "0", 1),
    damage: { text: { SECRET } },
    looks: [[({ store }) => store.readResponse(LARGE), "throws"]],
  },
  writing: {
    place: writingPlace(KEY, "0"),
    damage: { content_id: { SECRET } },
    looks: [
      [
        ({ uncommitted }) => uncommitted.removeDue(nowMs, 10).then((removed) => ({ removed })),
        { removed: 0 },
      ],
    ],
  },
  batch: {
    place: batchPlace(BATCH),
    damage: { usage: { input_tokens: { SECRET } } },
    looks: [
      [({ batches }) => batches.read(BATCH), "throws"],
      [async ({ batches }) => (await batches.list("team-a", { limit: 9 })).batches, []],
      [({ batches }) => batches.due(nowMs, 9), []],
    ],
  },
  progress: {
    place: progressPlace(BATCH),
    damage: { output: SECRET },
    looks: [[({ batches }) => batches.readProgress(BATCH), "throws"]],
  },
  file: {
    place: filePlace(FILE),
    damage: { bytes: { SECRET } },
    looks: [
      [({ files }) => files.read(FILE), "throws"],
      [async ({ files }) => (await files.list("team-a", { order: "asc", limit: 9 })).files, []],
    ],
  },
  file_pages: {
    place: filePagesPlace(FILE),
    damage: { pages: SECRET },
    looks: [[({ files }) => files.pages(file), "throws"]],
  },
  file_writing: {
    place: fileWritingPlace(FILE, "writing"),
    damage: { due_at_ms: { SECRET } },
    looks: [[({ files }) => files.removeDue(nowMs, 10).then((removed) => ({ removed })), { removed: 0 }]],
  },
  page: {
    place: pagePlace(FILE, "page-0"),
    damage: { text: { SECRET } },
    looks: [[({ files }) => files.readPage(FILE, "page-0"), "throws"]],
  },
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
  outbox: {
    place: outboxPlace(KEY, TOLD),
    damage: { at_ms: { SECRET } },
    looks: [[({ deliveries }) => deliveries.outbox(KEY, "job.completed"), "throws"]],
  },
  delivery: {
    place: deliveryPlace(DELIVERY),
    damage: { attempts: [{ error: SECRET }] },
    looks: [
      [({ deliveries }) => deliveries.read(DELIVERY), "throws"],
      [
        async ({ deliveries }) => {
          const { deliveries: found, hasMore } = await deliveries.list("team-a", { limit: 1 });
          return { endpoints: found.map(({ endpoint_id }) => endpoint_id), hasMore };
        },
        { endpoints: [OTHER.endpoint_id], hasMore: false },
      ],
    ],
  },
  comparison: {
    place: comparisonPlace(COMPARED),
    damage: { end: SECRET },
    looks: [
      [({ comparisons }) => comparisons.read(COMPARED), "throws"],
      [
        async ({ comparisons }) => {
          const { comparisons: found, hasMore } = await comparisons.list("team-a", { limit: 1 });
          return { ids: found.map(({ job_id }) => job_id), hasMore };
        },
        { ids: ["cmp_2"], hasMore: false },
      ],
    ],
  },
  webhook_endpoints: {
    place: endpointsPlace("team-a"),
    damage: { endpoints: [{ ...endpoint, secret: SECRET }] },
    looks: [[({ endpoints }) => endpoints.read("team-a"), "throws"]],
  },
  webhook_listeners: {
    place: listenersPlace,
    damage: { heard: { "team-a": [SECRET] } },
    looks: [[({ heard }) => heard.readHeard(undefined), "throws"]],
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
  operation: {
    place: operationPlace({ job_id: OPERATION }),
    damage: { operation: { counts: SECRET } },
    looks: [[({ operations }) => operations.read(OPERATION), "throws"]],
  },
  managed_tenant: {
    place: managedTenantPlace("team-c"),
    damage: { keys: SECRET },
    looks: [
      [({ overrides }) => overrides.readTenants(undefined), [{ tenant_id: "team-c" }]],
      [({ overrides }) => overrides.readTenants(["team-c"]), [{ tenant_id: "team-c" }]],
    ],
  },
  key_use: {
    place: keyUsePlace("key_1"),
    damage: { used_ms: SECRET },
    looks: [[async ({ keyUses }) => ({ ...(await keyUses.read("key_1"))?.value }), { used_ms: 0 }]],
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
  const created = await a.store.create(asItems(accepted), nowMs);
  if (created.kind !== "written") throw new Error(created.kind);
  const response = { status_code: 200, request_id: null, body: "{}" };
  const ended = end(draftOf(accepted.job), {
    status: "completed",
    nowMs,
    actor: "w",
    call,
    response,
  });
  await a.store.write(asItems(ended), created.etag, nowMs);
  await a.batches.create(batch, nowMs);
  const begun = await a.batches.read(BATCH);
  const progress = { from: await a.batches.readProgress(BATCH), to: NOTHING_READ };
  if (begun !== undefined) await a.batches.write(begun, batch, nowMs, { progress });
  await a.files.begin(FILE, nowMs);
  await a.files.writePage(FILE, "page-0", new Uint8Array(1));
  await a.files.commit(file, [{ id: "page-0", bytes: 1 }]);
  await a.files.begin(FILE, nowMs);
  const large = { content_id: "0", count: 2, bytes: 4, sha256: sha256Hex("[{}]") };
  const { jobs } = opened.items;
  for (const [n, text] of ["[{", "}]"].entries())
    await jobs.put(ITEMS.chunk, chunkPlace(LARGE, "0", n), { ...LARGE, text, ttl: -1 });
  const answer = { status_code: 200, request_id: null, chunks: large, ttl: -1 };
  await jobs.put(ITEMS.response, contentPlace(LARGE, "response"), { ...LARGE, ...answer });
  const writing = { ...KEY, content_id: "0", wake_at_ms: nowMs };
  await jobs.put(ITEMS.writing, writingPlace(KEY, "0"), writing);
  const managed = {
    tenant_id: "team-c",
    revision: 1,
    tenant: null,
    keys: [],
    at_ms: 0,
    actor: "a",
    reason: null,
  };
  await opened.items.control.put(ITEMS.managed_tenant, managedTenantPlace("team-c"), managed);
  await a.keyUses.write("key_1", { tenant_id: "team-c", used_ms: 1 }, undefined);
  await a.operations.create({
    ...{ tenant_id: "_operators", job_id: OPERATION },
    operation: { kind: "cancel_jobs", filter: {}, actor: "a", reason: null, at_ms: 0, counts: {} },
  });
  const first = { number: 0, attempt: 1, event: { data: "{}", isUsage: false } };
  await a.eventLogs.append(KEY, { claim_id: "c", attempt: 1, next: 1 }, [first], undefined, nowMs + 1e6);
  for (const job_id of [COMPARED.job_id, "cmp_2"])
    await a.comparisons.create({ ...COMPARED, job_id }, { body: "{}" });
  await a.endpoints.write("team-a", [endpoint], undefined);
  await a.heard.writeHeard({ "team-a": ["job.completed"] }, undefined);
  const outbox = await a.deliveries.outbox(KEY, "job.completed");
  if (outbox === undefined) throw new Error("the event is not there");
  const event = eventOf(KEY, outbox.value);
  await a.deliveries.fanOut(
    KEY,
    outbox,
    [ENDPOINT, OTHER.endpoint_id].map((id) => newDelivery(event, id, nowMs)),
  );
  // It is sent on by now: another of it is to be damaged.
  const { id } = outboxPlace(KEY, TOLD);
  const again = { ...KEY, v: 1, kind: "outbox", ...outbox.value, look_at_ms: nowMs };
  await opened.jobs.items.create({ id, ...again });
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
