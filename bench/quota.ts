import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Agent, request } from "undici";
import { head, row, timed } from "./measure.ts";
import { idealSeconds, JOBS, SHAPES, type Shape, sizes } from "./simulation/shapes.ts";

/**
 * `npm run bench -- quota [part of a shape's name]`: 2,000 jobs of mixed size offered at once to a route of three
 * deployments (simulated, 600 requests and 540,000 tokens a minute each, 300 ms a call), the real stack with two host
 * processes. For each way of limiting: how long it took over the ideal, calls refused, jobs failed, and what a job
 * cost in nudges and Cosmos DB writes. Each run takes a minute or two, most of it waiting for quota.
 */
const INSTANCES = 2;
const IN_FLIGHT = 64;
const CALL_MS = 300;
const MODELS = [
  ["openai", "gpt-sim"],
  ["xai", "grok-sim"],
  ["deepseek", "deepseek-sim"],
] as const;
const PATIENCE_MS = 400_000;

const root = path.resolve(import.meta.dirname, "..");
const connections = new Agent({ connections: IN_FLIGHT });
const headers = { authorization: "Bearer local-team-a", "content-type": "application/json" };

interface Stack {
  readonly child: ChildProcess;
  readonly url: string;
  readonly folder: string;
  readonly control: string;
  readonly models: string;
}

/** Of the running service: jobs submitted since they last all ended, when they did, calls answered until then. */
let submitted = 0;
let endedAt = 0;
let counted = 0;

const wanted = process.argv[2];
/** One shape's whole name means that shape alone. */
const named = SHAPES.some(({ name }) => name === wanted);
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
await connections.close();

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
    if (shape.deadFromMs !== undefined) setTimeout(() => void killOne(stack), shape.deadFromMs).unref();
    await timed(JOBS, IN_FLIGHT, (n) => submit(stack, n, tokens[n] ?? 1_000));
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
    if (process.env.COUNTERS === "1") console.error(JSON.stringify({ before, after }));
  } finally {
    stack.child.kill("SIGTERM");
    await once(stack.child, "exit");
    if (process.env.KEEP === "1") console.error(stack.folder);
    else rmSync(stack.folder, { recursive: true });
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

async function start(shape: Shape): Promise<Stack> {
  const folder = mkdtempSync(path.join(tmpdir(), "switchyard-quota-"));
  const factor = shape.configured ?? 1;
  const catalogue = {
    deployments: MODELS.map(([provider, model]) => ({
      name: `${model}-limited`,
      provider,
      model,
      base_url: `http://127.0.0.1:7072/${provider}/v1`,
      auth: { kind: "none" },
      endpoints: ["/v1/chat/completions"],
      limits: {
        requests_per_minute: shape.limits.requestsPerMinute * factor,
        tokens_per_minute: shape.limits.tokensPerMinute * factor,
      },
      price: { currency: "USD", input_per_million: 1, output_per_million: 1 },
      simulated: true,
    })),
    routes: [
      {
        model: "limited",
        strategy: "ordered",
        targets: MODELS.map(([, model]) => ({ deployment: `${model}-limited` })),
      },
    ],
  };
  const file = path.join(folder, "catalogue.json");
  writeFileSync(file, JSON.stringify(catalogue));
  const child = spawn(
    process.execPath,
    [path.join(root, "dist/local/start.js"), "--instances", String(INSTANCES)],
    {
      cwd: root,
      env: {
        ...process.env,
        ...{ PORT: "0", SERVICEBUS_PORT: "0", COSMOS_PORT: "0", MODEL_ENDPOINTS_PORT: "0" },
        ...{ DATA_DIR: folder, MODELS_FILE: file },
      },
      stdio: ["ignore", "pipe", process.env.STACK_LOG === "1" ? "inherit" : "ignore"],
    },
  );
  const url = await new Promise<string>((resolve, reject) => {
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      output += output.length < 100_000 ? chunk.toString() : "";
      if (process.env.STACK_LOG === "1") process.stderr.write(chunk);
      const ready = /^ready (\S+)$/m.exec(output)?.[1];
      if (ready !== undefined) resolve(ready);
    });
    child.once("exit", (code) => reject(new Error(`the service ended with ${code}: ${output}`)));
  });
  const emulators = JSON.parse(readFileSync(path.join(folder, "emulators.json"), "utf8")) as {
    control: string;
    model_endpoints_port: number;
  };
  const models = `http://127.0.0.1:${emulators.model_endpoints_port}/_control`;
  return { child, url, folder, control: emulators.control, models };
}

/** As the shape says, with nothing used of it yet. */
async function limit({ models }: Stack, { limits }: Shape): Promise<void> {
  const order = {
    requests_per_minute: limits.requestsPerMinute,
    tokens_per_minute: limits.tokensPerMinute,
    window_seconds: limits.windowSeconds,
    tokens_window_seconds: limits.tokensWindowSeconds,
    shape: limits.shape,
    refused_calls_count: limits.refusedCallsCount ?? false,
    stranger_share: limits.strangerShare ?? 0,
    headers: limits.headers ?? true,
  };
  await post(models, { limits: order });
}

async function killOne({ models }: Stack): Promise<void> {
  await post(models, { profile: "deepseek", status: 503 });
}

async function post(url: string, body: object): Promise<void> {
  const answer = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  if (answer.status !== 200) throw new Error(`${url} was answered ${answer.status}: ${await answer.text()}`);
}

/** The first jobs of a process are slow; what is measured is the scheduler. Done before anything is limited. */
async function warmUp(stack: Stack): Promise<void> {
  await timed(20, 4, (n) => submit(stack, n, 100));
  await ended(stack);
}

async function submit(stack: Stack, n: number, tokens: number): Promise<void> {
  submitted++;
  const body = {
    model: "limited",
    max_tokens: 1,
    messages: [{ role: "user", content: `Say the number ${n}. [[sim:latency_ms=${CALL_MS}]]` }],
  };
  // The deployments count a quarter of the body's bytes and max_tokens.
  const prompt = Math.ceil((JSON.stringify(body).length + 10) / 4);
  body.max_tokens = Math.max(1, tokens - prompt);
  const answer = await request(`${stack.url}/api/jobs`, {
    method: "POST",
    headers,
    body: JSON.stringify({ body }),
    dispatcher: connections,
  });
  const text = await answer.body.text();
  if (answer.statusCode !== 202) throw new Error(`submit was answered ${answer.statusCode}: ${text}`);
}

async function ended(stack: Stack): Promise<{ completed: number; failed: number }> {
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

async function live(stack: Stack): Promise<number> {
  return count(stack, ["queued", "in_progress"]);
}

/** At least one where there is one: enough to wait by. */
async function count(stack: Stack, statuses: readonly string[]): Promise<number> {
  let sum = 0;
  for (const status of statuses) sum += (await jobs(stack, status, 100)).length;
  return sum;
}

async function jobs(stack: Stack, status: string, limit: number): Promise<unknown[]> {
  const answer = await request(`${stack.url}/api/jobs?status=${status}&limit=${limit}`, {
    headers,
    dispatcher: connections,
  });
  const { data } = (await answer.body.json()) as { data: unknown[] };
  return data;
}

async function modelCounters({ models }: Stack): Promise<{ ok: number; refused: number }> {
  const { counters: all } = (await (await fetch(models)).json()) as {
    counters: { by_profile?: Record<string, Record<string, number>> };
  };
  const of = (status: string) =>
    Object.values(all.by_profile ?? {}).reduce((sum, each) => sum + (each[status] ?? 0), 0);
  return { ok: of("200") - counted, refused: of("429") };
}

async function counters(stack: Stack): Promise<Record<string, number>> {
  const { cosmos, service_bus } = (await (await fetch(stack.control)).json()) as Record<
    string,
    Record<string, number>
  >;
  const { refused } = await modelCounters(stack);
  return { ...cosmos, ...service_bus, refused };
}
