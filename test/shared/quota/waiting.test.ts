import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { EMULATOR_KEY } from "../../../local/cosmos/authorization.ts";
import { JOBS_CONTAINER, openDatabase } from "../../../shared/azure/cosmos/client.ts";
import { CosmosParkedJobs } from "../../../shared/azure/cosmos/parked-jobs.ts";
import {
  CosmosDispatcherLeases,
  CosmosQuotaLedger,
  CosmosQuotaReports,
} from "../../../shared/azure/cosmos/quota.ts";
import { acceptJob } from "../../../shared/job/intake/accept.ts";
import type { Nudge } from "../../../shared/job/ports.ts";
import { runJob } from "../../../shared/job/run/run.ts";
import type { RunDeps } from "../../../shared/job/run/run-deps.ts";
import { type Catalogue, parseCatalogue } from "../../../shared/model/catalogue.ts";
import { Dispatcher } from "../../../shared/quota/dispatch/dispatcher.ts";
import type { Grant } from "../../../shared/quota/grant.ts";
import { InstanceQuota } from "../../../shared/quota/instance/instance-quota.ts";
import { Reporter } from "../../../shared/quota/instance/reporter.ts";
import { limitedIn } from "../../../shared/quota/limited.ts";
import type { JobKey } from "../../../shared/store.ts";
import { submission } from "../job/samples.ts";
import { answer, completion, Labs, NudgeList, openStore, silent, TestClock, workerOn } from "../world.ts";

/** Two instances on one store: the app's own adapters, the local Cosmos DB, a clock turned by hand. */
const labs = new Labs();
let clock: TestClock;
let opened: Awaited<ReturnType<typeof openStore>>;
let closeDatabase: () => void;
let one: Instance;
let two: Instance;
let nudges: NudgeList;
const released: { key: JobKey; grant: Grant }[] = [];
const givenUp: JobKey[] = [];
let count = 0;

interface Instance {
  readonly worker: RunDeps;
  readonly dispatcher: Dispatcher;
}

beforeAll(() => labs.start());
afterAll(() => labs.stop());
beforeEach(async () => {
  clock = new TestClock();
  opened = await openStore(clock);
  nudges = new NudgeList();
  released.length = 0;
  givenUp.length = 0;
  labs.calls.length = 0;
  labs.reply("openai-one", answer(200, completion("Hello")));
  const connectionString = `AccountEndpoint=http://127.0.0.1:${opened.cosmos.port}/;AccountKey=${EMULATOR_KEY}`;
  const { database, dispose } = openDatabase({ kind: "connection_string", connectionString }, () => {
    throw new Error("no identity here");
  });
  closeDatabase = dispose;
  const make = (instance: string): Instance => {
    const { control } = opened.items;
    const ledger = new CosmosQuotaLedger(control);
    const reports = new CosmosQuotaReports(control);
    const parked = new CosmosParkedJobs(database.container(JOBS_CONTAINER));
    const by = { ledger, reports, clock, instance, log: silent };
    const dispatcher: Dispatcher = new Dispatcher({
      ...{ ...by, parked, leases: new CosmosDispatcherLeases(control) },
      releases: {
        release: async (jobs) => void released.push(...jobs),
        giveUp: async (keys) => void givenUp.push(...keys),
        // Each instance takes the messages that it sends.
        dispatch: async () => void dispatcher.run().catch(() => undefined),
      },
      deployments: () => limitedIn(limited()),
      weightOf: () => 1,
    });
    const quota = new InstanceQuota({
      ...{ ...by, dispatcher, jobs: parked, reporter: new Reporter(by) },
      deployment: (name) => limitedIn(limited()).find((each) => each.name === name),
    });
    const worker = workerOn({ store: opened.store, clock, nudges, catalogue: limited() }, { quota });
    return { worker, dispatcher };
  };
  one = make("one");
  two = make("two");
});
afterEach(async () => {
  closeDatabase();
  await opened.close();
});

let known: Catalogue | undefined;
/** One deployment of 60 requests a minute. */
function limited(): Catalogue {
  if (known !== undefined) return known;
  const [deployment] = labs.catalogue("openai-one").deployments;
  const file = { deployments: [{ ...deployment, limits: { requests_per_minute: 60 } }] };
  const parsed = parseCatalogue(file, { settings: {} });
  if ("faults" in parsed) throw new Error(parsed.faults.join("; "));
  known = parsed.catalogue;
  return known;
}

async function accepted(change: { deadlineMs?: number } = {}): Promise<Nudge> {
  const model = "openai-one-model";
  const bodyText = `{"model":"${model}","messages":[{"role":"user","content":"Hi"}]}`;
  const whole = { ...submission, deadlineMs: clock.now() + 3_600_000, model, bodyText, ...change };
  const jobId = `job_${String(++count).padStart(32, "0")}`;
  const by = { tenantId: "team-a", jobId, actor: "team-a/key:1", nowMs: clock.now(), nudgeGraceMs: 10_000 };
  await opened.store.create(acceptJob(whole, by), clock.now());
  return { v: 1, tenant_id: "team-a", job_id: jobId };
}

async function jobOf(key: JobKey) {
  const job = (await opened.store.read(key))?.value;
  if (job === undefined) throw new Error("the job is gone");
  return job;
}

/** Turns the clock in small steps, letting sockets answer in between, until `done` holds. */
async function turnUntil(done: () => boolean): Promise<void> {
  for (let turns = 0; turns < 3_000; turns++) {
    if (done()) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
    clock.advance(25);
  }
  throw new Error("it never came to pass");
}

it("lets a job go at once where quota is free, and parks what must wait without a nudge of its own", async () => {
  const [first, second] = [await accepted(), await accepted()];
  await runJob(one.worker, first);
  expect((await jobOf(first)).status).toBe("completed");
  await runJob(one.worker, second);
  expect(await jobOf(second)).toMatchObject({
    status: "queued",
    attempts: 0,
    parked: { deployments: ["openai-one"] },
    retry_at_ms: null,
  });
  expect(nudges.sent).toEqual([]);
  expect((await opened.store.audit(second)).map(({ event }) => event)).toEqual(["accepted", "waiting"]);
});

it("releases waiting jobs as quota comes back, wherever they were parked, and each is called once", async () => {
  const keys: Nudge[] = [];
  for (let n = 0; n < 4; n++) keys.push(await accepted());
  for (const [n, key] of keys.entries()) await runJob((n % 2 === 0 ? one : two).worker, key);
  const ran = new Set<string>();
  while (ran.size < 3) {
    await turnUntil(() => released.some(({ key }) => !ran.has(key.job_id)));
    for (const { key, grant } of released.filter((each) => !ran.has(each.key.job_id))) {
      ran.add(key.job_id);
      await runJob(two.worker, { v: 1, ...key, grant });
      // Come twice, it changes nothing.
      await runJob(one.worker, { v: 1, ...key, grant });
    }
  }
  for (const key of keys) expect(await jobOf(key)).toMatchObject({ status: "completed", attempts: 1 });
  expect(labs.calls).toHaveLength(4);
  expect([one, two].filter(({ dispatcher }) => dispatcher.isLeading)).toHaveLength(1);
  expect((await jobOf(keys[3] as Nudge)).parked_at_ms).toBeUndefined();
});

it("reads a job that was let go, though it was accepted here: another instance has parked it since", async () => {
  const [first, second] = [await accepted(), await accepted()];
  await runJob(two.worker, first);
  const found = await opened.store.readWithRequest(second);
  if (found?.request === undefined || "fault" in found.request) throw new Error("the job is gone");
  one.worker.running.accepted({ job: found.job, request: found.request });
  await runJob(two.worker, second);
  await turnUntil(() => released.length === 1);
  const before = opened.cosmos.counters().batch ?? 0;
  await runJob(one.worker, { ...second, grant: released[0]?.grant as Grant });
  expect(await jobOf(second)).toMatchObject({ status: "completed", attempts: 1 });
  // Its claim and its end, and none that was refused.
  expect((opened.cosmos.counters().batch ?? 0) - before).toBe(2);
});

it("does not let the sweeper's nudge, or a lapsed grant, get a job past the line", async () => {
  const [first, second] = [await accepted(), await accepted()];
  await runJob(one.worker, first);
  await runJob(one.worker, second);
  const parked = await jobOf(second);
  const taken = {
    tokens: 1,
    at_ms: 0,
    spent_requests: 0,
    spent_tokens: 0,
    burst_requests: 1,
    burst_tokens: 1,
  };
  await runJob(two.worker, second);
  await runJob(two.worker, { ...second, grant: { deployment: "openai-one", taken, lapses_ms: clock.now() } });
  expect(await jobOf(second)).toEqual(parked);
  expect(labs.calls).toHaveLength(1);
});

it("gives the quota of a grant that no call comes of to the next in the line", async () => {
  const keys: Nudge[] = [];
  for (let n = 0; n < 3; n++) keys.push(await accepted());
  for (const key of keys) await runJob(one.worker, key);
  await turnUntil(() => released.length === 1);
  const releasedMs = clock.now();
  const [{ key, grant } = { key: undefined, grant: undefined }] = released;
  if (key === undefined) throw new Error("nothing was released");
  // Meanwhile its model was taken out.
  await runJob({ ...one.worker, catalogue: () => labs.catalogue("xai-two") }, { v: 1, ...key, grant });
  expect((await jobOf(key)).status).toBe("failed");
  await turnUntil(() => released.length === 2);
  // One comes back a second: the third has what the second did not use.
  expect(clock.now() - releasedMs).toBeLessThan(500);
  expect(labs.calls).toHaveLength(1);
});

it("ends a job in time whose turn would come too late", async () => {
  const [first, second] = [await accepted(), await accepted({ deadlineMs: clock.now() + 20_000 })];
  await runJob(one.worker, first);
  await runJob(one.worker, second);
  await runJob(one.worker, { ...second, late: true });
  expect(await jobOf(second)).toMatchObject({ status: "expired", error: { code: "deadline_exceeded" } });
});

it("has another instance take over from a dispatcher that died", async () => {
  const [first, second] = [await accepted(), await accepted()];
  await runJob(one.worker, first);
  const holder = new CosmosDispatcherLeases(opened.items.control);
  await holder.write({ holder: "dead", renewals: 7 }, (await holder.read())?.etag);
  await runJob(two.worker, second);
  expect(two.dispatcher.isLeading).toBe(false);
  for (let n = 0; n < 20 && !two.dispatcher.isLeading; n++) {
    clock.advance(1_000);
    await two.dispatcher.tend();
  }
  expect(two.dispatcher.isLeading).toBe(true);
  await turnUntil(() => released.length > 0);
  expect(released[0]?.key.job_id).toBe(second.job_id);
});

it("dispatches again after another had taken over meanwhile", async () => {
  const keys: Nudge[] = [];
  for (let n = 0; n < 3; n++) keys.push(await accepted());
  for (const key of keys) await runJob(one.worker, key);
  await turnUntil(() => one.dispatcher.isLeading && released.length > 0);
  const lease = new CosmosDispatcherLeases(opened.items.control);
  await lease.write({ holder: "another", renewals: 1 }, (await lease.read())?.etag);
  await turnUntil(() => !one.dispatcher.isLeading);
  const before = released.length;
  for (let n = 0; n < 20 && !one.dispatcher.isLeading; n++) {
    clock.advance(1_000);
    await one.dispatcher.tend();
  }
  expect(one.dispatcher.isLeading).toBe(true);
  await turnUntil(() => released.length > before);
});
