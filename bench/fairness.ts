import { createHash } from "node:crypto";
import {
  answeredSince,
  CALL_MS,
  type CountedCall,
  IN_FLIGHT,
  type LimitedService,
  order,
  startLimited,
  stopLimited,
  submitTo,
} from "./limited-service.ts";
import { head, row, timed } from "./measure.ts";
import { sizes } from "./simulation/shapes.ts";

/**
 * `npm run bench -- quota fairness`, the real stack with two host processes: Jain's index on weighted shares of four
 * tenants over the worst 30 s; a tenant with ten jobs beside one with a long backlog; and how soon all instances obey
 * a switch. About two minutes.
 */
const WEIGHTS: Readonly<Record<string, number>> = {
  one: 1,
  other: 1,
  double: 2,
  fourfold: 4,
  big: 1,
  small: 1,
};
const SHARING = ["one", "other", "double", "fourfold"] as const;
const OPERATOR = "bench-operator";
const PER_MINUTE = { requestsPerMinute: 600, tokensPerMinute: 540_000 };
const JOBS_PER_SECOND = 18;
/** How long all tenants must have jobs due. */
const SHARED_SECONDS = 45;
const WINDOW_MS = 30_000;
const LEAST_DUE = 50;
/** A deployment slow enough that ten jobs take a while, and one of half its quota. */
const SLOW = { requestsPerMinute: 120, tokensPerMinute: 108_000 };
const FEW = 10;
/** Less than the bucket of a second holds: their number is what is limited. */
const FEW_TOKENS = 400;
const BIG = Number(process.env.QUOTA_JOBS ?? 1_000);
const SWITCHES = 5;
const PATIENCE_MS = 120_000;

const keyOf = (tenant: string) => `bench-${tenant}`;
const hashOf = (key: string) => createHash("sha256").update(key).digest("hex");
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export async function fairness(): Promise<void> {
  const service = await start();
  try {
    head("measure", "measured", "aim");
    await shares(service);
    await fewBesideMany(service);
    await switches(service);
  } finally {
    await stopLimited(service);
  }
}

function start(): Promise<LimitedService> {
  const half = { requestsPerMinute: SLOW.requestsPerMinute / 2, tokensPerMinute: SLOW.tokensPerMinute / 2 };
  const tenants = Object.entries(WEIGHTS).map(([id, weight]) => ({
    ...{ id, weight, key_sha256: [hashOf(keyOf(id))], allow_models: ["*"], deny_providers: [] },
  }));
  return startLimited(
    [
      { name: "one", provider: "openai", model: "gpt-sim", ...PER_MINUTE },
      { name: "two", provider: "xai", model: "grok-sim", ...PER_MINUTE },
      { name: "slow", provider: "deepseek", model: "deepseek-sim", ...SLOW },
      { name: "half", provider: "deepseek", model: "deepseek-sim", ...half },
    ],
    { limited: ["one", "two"], first: ["one"], slow: ["slow"], half: ["half"] },
    { tenants, operators: [{ id: "ops", key_sha256: [hashOf(OPERATOR)] }] },
  );
}

async function limit(
  service: LimitedService,
  profile: string,
  each: { requestsPerMinute: number; tokensPerMinute: number },
): Promise<void> {
  const limits = {
    ...{ profile, shape: "bucket", window_seconds: 1, tokens_window_seconds: 1 },
    requests_per_minute: each.requestsPerMinute,
    tokens_per_minute: each.tokensPerMinute,
  };
  await order(service, { limits });
}

interface Submitted {
  readonly tenant: string;
  readonly tokens: number;
  readonly at_ms: number;
}

/** All tenants' jobs at once, in turns as their weights are. */
async function shares(service: LimitedService): Promise<void> {
  for (const profile of ["openai", "xai"]) await limit(service, profile, PER_MINUTE);
  const sum = SHARING.reduce((total, tenant) => total + (WEIGHTS[tenant] ?? 0), 0);
  const jobs = SHARING.flatMap((tenant) => {
    const perSecond = (JOBS_PER_SECOND * (WEIGHTS[tenant] ?? 0)) / sum;
    const count = Math.ceil(perSecond * SHARED_SECONDS + 1.2 * LEAST_DUE);
    return sizes(tenant, count).map((tokens, n) => ({ tenant, tokens, place: n / count }));
  }).sort((a, b) => a.place - b.place);
  const submitted = new Map<string, Submitted>();
  await timed(jobs.length, IN_FLIGHT, async (n) => {
    const { tenant, tokens } = jobs[n] ?? { tenant: "one", tokens: 1 };
    const id = await submitTo(service, { n, tokens, key: keyOf(tenant) });
    submitted.set(id, { tenant, tokens, at_ms: Date.now() });
  });
  const calls = await untilCalls(service, (found) => found.length >= jobs.length);
  const lowest = lowestIndex(submitted, calls);
  row(
    `Jain's index on weighted shares, lowest of ${lowest.windows} windows of ${WINDOW_MS / 1000} s`,
    lowest.index.toFixed(3),
    "at least 0.98",
  );
}

/** Figures over all windows, a second apart, in which every tenant always had enough jobs due. */
function lowestIndex(submitted: ReadonlyMap<string, Submitted>, calls: readonly CountedCall[]) {
  const served = calls.flatMap((call) => {
    const job = submitted.get(call.job ?? "");
    return job === undefined ? [] : [{ ...job, called_ms: call.received_at_ms }];
  });
  const due = (tenant: string, ms: number) =>
    served.filter((job) => job.tenant === tenant && job.at_ms <= ms && job.called_ms > ms).length;
  const firstMs = Math.min(...served.map(({ at_ms }) => at_ms));
  const lastMs = Math.max(...served.map(({ called_ms }) => called_ms));
  const enough = new Map<number, boolean>();
  for (let ms = firstMs; ms <= lastMs; ms += 1_000)
    enough.set(
      ms,
      SHARING.every((tenant) => due(tenant, ms) >= LEAST_DUE),
    );
  let index = 1;
  let windows = 0;
  for (let from = firstMs; from + WINDOW_MS <= lastMs; from += 1_000) {
    const seconds = Array.from({ length: WINDOW_MS / 1_000 + 1 }, (_, n) => from + n * 1_000);
    if (!seconds.every((ms) => enough.get(ms) === true)) continue;
    windows++;
    const inWindow = served.filter(({ called_ms }) => called_ms >= from && called_ms < from + WINDOW_MS);
    index = Math.min(index, jain(inWindow));
  }
  return { index: windows === 0 ? Number.NaN : index, windows };
}

function jain(served: readonly { tenant: string; tokens: number }[]): number {
  const shares = SHARING.map((tenant) => {
    const tokens = served.filter((job) => job.tenant === tenant).reduce((sum, job) => sum + job.tokens, 0);
    return tokens / (WEIGHTS[tenant] ?? 1);
  });
  const sum = shares.reduce((total, each) => total + each, 0);
  return sum ** 2 / (shares.length * shares.reduce((total, each) => total + each ** 2, 0));
}

async function fewBesideMany(service: LimitedService): Promise<void> {
  await limit(service, "deepseek", {
    requestsPerMinute: SLOW.requestsPerMinute / 2,
    tokensPerMinute: SLOW.tokensPerMinute / 2,
  });
  const alone = await fewJobs(service, "half");
  await limit(service, "deepseek", SLOW);
  await timed(BIG, IN_FLIGHT, (n) =>
    submitTo(service, { n, tokens: FEW_TOKENS, key: keyOf("big"), model: "slow" }),
  );
  await pause(5_000);
  const beside = await fewJobs(service, "slow");
  row(`${FEW} jobs alone at half the quota, s`, alone.toFixed(1), "");
  row(`${FEW} jobs beside a tenant with ${BIG}, s`, beside.toFixed(1), "");
  row("the two, ratio", (beside / alone).toFixed(2), "at most 1.2");
}

/** Seconds from the first submit until the last call has ended. */
async function fewJobs(service: LimitedService, model: string): Promise<number> {
  const startedMs = Date.now();
  const ids = new Set<string>();
  await timed(FEW, FEW, async (n) => {
    ids.add(await submitTo(service, { n, tokens: FEW_TOKENS, key: keyOf("small"), model }));
  });
  const own = (calls: readonly CountedCall[]) => calls.filter(({ job }) => job !== null && ids.has(job));
  const calls = own(await untilCalls(service, (found) => own(found).length >= FEW));
  return (Math.max(...calls.map(({ received_at_ms }) => received_at_ms)) + CALL_MS - startedMs) / 1000;
}

async function untilCalls(
  service: LimitedService,
  isEnough: (calls: readonly CountedCall[]) => boolean,
): Promise<CountedCall[]> {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const calls = await answeredSince(service, 0);
    if (isEnough(calls)) return calls;
    if (Date.now() > until) throw new Error(`after ${PATIENCE_MS / 1000} s there are ${calls.length} calls`);
    await pause(200);
  }
}

/** A deployment that is always called is drained again and again: when the last call came that it still got. */
async function switches(service: LimitedService): Promise<void> {
  await limit(service, "openai", PER_MINUTE);
  const jobs = SWITCHES * 80;
  await timed(jobs, IN_FLIGHT, (n) =>
    submitTo(service, { n, tokens: 900, key: keyOf("one"), model: "first" }),
  );
  const seconds: number[] = [];
  for (let turn = 0; turn < SWITCHES; turn++) {
    const before = await callsOfFirst(service);
    await untilCalls(service, (found) => ofFirst(found).length > before + 10);
    const atMs = Date.now();
    await put(service, "PUT", { state: "drained", mode: "park" });
    await pause(6_000);
    const late = ofFirst(await answeredSince(service, 0)).filter((call) => call.received_at_ms > atMs);
    seconds.push((Math.max(atMs, ...late.map((call) => call.received_at_ms)) - atMs) / 1000);
    await put(service, "DELETE");
  }
  row(
    `from a switch until no instance calls the deployment, longest of ${SWITCHES}, s`,
    Math.max(...seconds).toFixed(1),
    "at most 5",
  );
}

const ofFirst = (calls: readonly CountedCall[]) => calls.filter(({ profile }) => profile === "openai");

async function callsOfFirst(service: LimitedService): Promise<number> {
  return ofFirst(await answeredSince(service, 0)).length;
}

async function put({ url }: LimitedService, method: string, body?: object): Promise<void> {
  const answer = await fetch(`${url}/api/ops/switches/deployment/one`, {
    method,
    headers: { authorization: `Bearer ${OPERATOR}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`the switch was answered ${answer.status}: ${await answer.text()}`);
}
