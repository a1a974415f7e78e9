import { request } from "undici";
import { fairness } from "./fairness.ts";
import { ARGUMENTS } from "./layout.ts";
import {
  CALL_MS,
  connections,
  IN_FLIGHT,
  type LimitedService,
  order,
  startLimited,
  stopLimited,
  submitTo,
} from "./limited-service.ts";
import { head, row, timed } from "./measure.ts";
import { idealSeconds, JOBS, SHAPES, type Shape, sizes } from "./simulation/shapes.ts";
import { printTimeline } from "./timeline.ts";

/**
 * `npm run bench -- quota [part of a shape's name] [--split [--freeze]]`: 2,000 jobs of mixed size offered at once to a route of three
 * deployments (simulated, 600 requests and 540,000 tokens a minute each, 300 ms a call), the real stack with two host
 * processes. For each way of limiting: how long it took over the ideal, calls refused, jobs failed, and what a job
 * cost in nudges and Cosmos DB writes. Each run takes a minute or two, most of it waiting for quota. `fairness`
 * instead of a shape: how fair it is to tenants, and how soon switches work (fairness.ts).
 */
const MODELS = [
  ["openai", "gpt-sim"],
  ["xai", "grok-sim"],
  ["deepseek", "deepseek-sim"],
] as const;
const PATIENCE_MS = 400_000;

const headers = { authorization: "Bearer local-team-a", "content-type": "application/json" };

/** State of the running service: jobs submitted since all had last ended, when that was, calls answered until then. */
let submitted = 0;
let endedAt = 0;
let counted = 0;

const [wanted] = ARGUMENTS;
/** One shape's whole name means that shape alone. */
const named = SHAPES.some(({ name }) => name === wanted);
if (wanted === "fairness") await fairness();
else if (wanted === undefined || SHAPES.some(({ name }) => name.startsWith(wanted))) await shapes();
else {
  const all = SHAPES.map(({ name }) => `"${name}"`).join(", ");
  console.error(`There is no shape "${wanted}". There are ${all}, all of them without a name, and fairness.`);
  process.exitCode = 2;
}
await connections.close();

async function shapes(): Promise<void> {
  head(
    "limits",
    "jobs done",
    "seconds",
    "ideal",
    "ratio",
    "refused a job",
    "failed jobs",
    "nudges a job",
    "Cosmos writes a job",
  );
  for (const shape of SHAPES) {
    if (wanted === undefined || (named ? shape.name === wanted : shape.name.startsWith(wanted)))
      await run(shape);
  }
}

async function run(shape: Shape): Promise<void> {
  const stack = await start(shape);
  submitted = 0;
  counted = 0;
  try {
    await limit(stack, shape);
    const tokens = sizes("quota", JOBS);
    await warmUp(stack);
    const before = await counters(stack);
    const startedAt = performance.now();
    const startedMs = Date.now();
    const tokensOf = new Map<string, number>();
    if (shape.deadFromMs !== undefined) setTimeout(() => void killOne(stack), shape.deadFromMs).unref();
    const submitting = await timed(JOBS, IN_FLIGHT, async (n) => {
      const size = tokens[n] ?? 1_000;
      tokensOf.set(await submit(stack, n, size), size);
    });
    const { completed, failed } = await ended(stack);
    const seconds = (endedAt - startedAt) / 1000;
    const after = await counters(stack);
    const each = (...names: string[]) =>
      (names.reduce((sum, name) => sum + (after[name] ?? 0) - (before[name] ?? 0), 0) / JOBS).toFixed(2);
    const ideal = idealOf(shape, tokens);
    row(
      shape.name,
      completed,
      seconds.toFixed(1),
      ideal.toFixed(1),
      (seconds / ideal).toFixed(3),
      each("refused"),
      failed,
      each("nudges.ops.sent", "releases.ops.sent"),
      each("batch", "create", "replace", "upsert"),
    );
    if (process.env.TIMELINE === "1") {
      console.error(`submitted in ${submitting.toFixed(1)} s`);
      await printTimeline(stack, startedMs, tokensOf);
    }
    if (process.env.COUNTERS === "1") console.error(JSON.stringify({ before, after }));
  } finally {
    await stopLimited(stack);
  }
}

function idealOf(shape: Shape, tokens: readonly number[]): number {
  if (shape.deadFromMs === undefined) return idealSeconds(shape, tokens, MODELS.length);
  const total = tokens.reduce((sum, each) => sum + each, 0);
  const perSecond = shape.limits.tokensPerMinute / 60;
  const before = shape.deadFromMs / 1000;
  return (
    before + (total - MODELS.length * perSecond * before) / ((MODELS.length - 1) * perSecond) + CALL_MS / 1000
  );
}

async function start(shape: Shape): Promise<LimitedService> {
  const factor = shape.configured ?? 1;
  const deployments = MODELS.map(([provider, model]) => ({
    ...{ name: `${model}-limited`, provider, model },
    requestsPerMinute: shape.limits.requestsPerMinute * factor,
    tokensPerMinute: shape.limits.tokensPerMinute * factor,
    says: shape.says,
  }));
  return startLimited(deployments, { limited: deployments.map(({ name }) => name) });
}

/** The limits of the shape, with nothing used yet. */
async function limit(service: LimitedService, { limits }: Shape): Promise<void> {
  const limited = {
    requests_per_minute: limits.requestsPerMinute,
    tokens_per_minute: limits.tokensPerMinute,
    window_seconds: limits.windowSeconds,
    tokens_window_seconds: limits.tokensWindowSeconds,
    shape: limits.shape,
    refused_calls_count: limits.refusedCallsCount ?? false,
    stranger_share: limits.strangerShare ?? 0,
    headers: limits.headers ?? true,
  };
  await order(service, { limits: limited });
}

async function killOne(service: LimitedService): Promise<void> {
  await order(service, { profile: "deepseek", status: 503 });
}

/** The first jobs of a process are slow; what is measured is the scheduler. Done before anything is limited. */
async function warmUp(stack: LimitedService): Promise<void> {
  await timed(20, 4, (n) => submit(stack, n, 100));
  await ended(stack);
}

async function submit(stack: LimitedService, n: number, tokens: number): Promise<string> {
  submitted++;
  return submitTo(stack, { n, tokens, key: "local-team-a" });
}

async function ended(stack: LimitedService): Promise<{ completed: number; failed: number }> {
  const until = performance.now() + PATIENCE_MS;
  const all = submitted;
  for (;;) {
    const calls = await modelCounters(stack);
    // Asked of the emulators while it runs, and of the service at the end: listing jobs would cost it time.
    if (calls.ok >= all || performance.now() > until) {
      const left = await live(stack);
      endedAt = performance.now();
      if (left === 0 || endedAt > until) break;
    }
    await new Promise((resolve) => setTimeout(resolve, calls.ok >= all ? 10 : 100));
  }
  const failed = await count(stack, ["failed", "expired", "cancelled"]);
  submitted = 0;
  const completed = all - failed - (await live(stack));
  const calls = await modelCounters(stack);
  counted += calls.ok;
  return { completed, failed };
}

async function live(stack: LimitedService): Promise<number> {
  return count(stack, ["queued", "in_progress"]);
}

/** At least one if there is any: enough to wait for. */
async function count(stack: LimitedService, statuses: readonly string[]): Promise<number> {
  let sum = 0;
  for (const status of statuses) sum += (await jobs(stack, status, 100)).length;
  return sum;
}

async function jobs(stack: LimitedService, status: string, limit: number): Promise<unknown[]> {
  const answer = await request(`${stack.url}/api/jobs?status=${status}&limit=${limit}`, {
    headers,
    dispatcher: connections,
  });
  const { data } = (await answer.body.json()) as { data: unknown[] };
  return data;
}

async function modelCounters({ models }: LimitedService): Promise<{ ok: number; refused: number }> {
  const { counters: all } = (await (await fetch(models)).json()) as {
    counters: { by_profile?: Record<string, Record<string, number>> };
  };
  const of = (status: string) =>
    Object.values(all.by_profile ?? {}).reduce((sum, each) => sum + (each[status] ?? 0), 0);
  return { ok: of("200") - counted, refused: of("429") };
}

async function counters(stack: LimitedService): Promise<Record<string, number>> {
  const { cosmos, service_bus } = (await (await fetch(stack.control)).json()) as Record<
    string,
    Record<string, number>
  >;
  const { refused } = await modelCounters(stack);
  return { ...cosmos, ...service_bus, refused };
}
