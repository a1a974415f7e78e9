import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { OpenAI } from "openai";
import { EMULATOR_KEY } from "../local/cosmos/authorization.ts";
import { JOBS_CONTAINER, openDatabase } from "../shared/azure/cosmos/client.ts";
import { describeMachine } from "./machine.ts";
import { head, row } from "./measure.ts";
import { Stack } from "./stack.ts";

/**
 * `--lines N` (10,000) over three simulated labs: how fast they are validated and become jobs, what a line costs beyond
 * its job's own three batches of writes, and how soon after the last line the batch has ended. `--held`: labs have no
 * quota, so that nothing but the batch is at work, and it ends with the last line's job.
 */
const { values } = parseArgs({
  options: { lines: { type: "string", default: "10000" }, held: { type: "boolean", default: false } },
});
const count = Number(values.lines);
const LABS = ["gpt-sim", "grok-sim", "deepseek-sim"];
/** A job that waits in the line is created, claimed and ended: each is one batch of writes. */
const OWN_BATCHES = 3;
const TENANT = "team-a";
const LOOK_MS = 100;

describeMachine();
const folder = mkdtempSync(path.join(tmpdir(), "switchyard-bench-models-"));
const stack = await Stack.start({
  env: {
    MAX_BATCH_LINES: String(Math.max(count, 100_000)),
    ...(values.held ? { MODELS_FILE: withoutQuota() } : {}),
  },
});
const client = new OpenAI({ baseURL: `${stack.url}/openai/v1`, apiKey: `local-${TENANT}` });
const connectionString = `AccountEndpoint=http://127.0.0.1:${stack.emulators().cosmos_port}/;AccountKey=${EMULATOR_KEY}`;
const { database, dispose } = openDatabase({ kind: "connection_string", connectionString }, () => {
  throw new Error("no identity here");
});
const jobs = database.container(JOBS_CONTAINER);

/** The catalogue, with a request an hour for each model. */
function withoutQuota(): string {
  const catalogue = JSON.parse(readFileSync(path.join(import.meta.dirname, "../models.json"), "utf8"));
  for (const deployment of catalogue.deployments)
    deployment.limits = { requests_per_minute: 1, window_seconds: 3_600 };
  const file = path.join(folder, "models.json");
  writeFileSync(file, JSON.stringify(catalogue));
  return file;
}

function* lines(): Generator<string> {
  for (let n = 0; n < count; n++) {
    const content = `Number ${n} ${"x".repeat(200)}`;
    const body = { model: LABS[n % LABS.length], messages: [{ role: "user", content }] };
    yield `${JSON.stringify({ custom_id: `line-${n}`, method: "POST", url: "/v1/chat/completions", body })}\n`;
  }
}
const file = await client.files.create({ file: new File([...lines()], "in.jsonl"), purpose: "batch" });
const before = await stack.counters();
const cpuBefore = stack.cpu();
const startMs = performance.now();
const since = () => (performance.now() - startMs) / 1000;
const { id } = await client.batches.create({
  ...{ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" },
});

interface Item {
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly times: Readonly<Record<string, number>>;
}
interface ProgressItem {
  readonly is_read: boolean;
  readonly cursor: { readonly lines: number };
}
/** CPU ms used when so many lines were jobs. */
const spent: { readonly lines: number; readonly ms: number }[] = [];
/** CPU ms a line of a tenth of them, from 0 to 9. */
function costOfTenth(tenth: number): number {
  const at = (lines: number) => spent.find((each) => each.lines >= lines) ?? spent.at(-1);
  const [from, to] = [at((count * tenth) / 10), at((count * (tenth + 1)) / 10)];
  return ((to?.ms ?? 0) - (from?.ms ?? 0)) / ((to?.lines ?? 0) - (from?.lines ?? 0));
}
const read = async <T extends object>(item: string) =>
  (await jobs.item(item, [TENANT, id]).read<T>()).resource;
/** When the last of its lines ended. */
async function lastEnd(): Promise<number> {
  const ends = await jobs.items
    .query<number>({
      query: "SELECT VALUE c.completed_at_ms FROM c WHERE c.batch_id = @id AND c.kind = 'job'",
      parameters: [{ name: "@id", value: id }],
    })
    .fetchAll();
  return ends.resources.reduce((a, b) => Math.max(a, b), 0);
}
let batch = await read<Item>("batch");
let validatedAfter = 0;
let expandedAfter = 0;
const memory: number[] = [];
const isOver = () =>
  (values.held && expandedAfter > 0) ||
  batch?.times.completed_at_ms !== undefined ||
  batch?.times.failed_at_ms !== undefined;
while (!isOver()) {
  await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  batch = await read<Item>("batch");
  if (validatedAfter === 0 && batch?.times.in_progress_at_ms !== undefined) validatedAfter = since();
  if (expandedAfter === 0) {
    const progress = await read<ProgressItem>("progress");
    const { app, emulators } = stack.cpu();
    spent.push({ lines: progress?.cursor.lines ?? 0, ms: app + emulators });
    if (progress?.is_read === true) expandedAfter = since();
  }
  memory.push(stack.memoryMb().app);
}
const seconds = since();
const after = await stack.counters();
const cpu = stack.cpu();
const last = values.held ? 0 : await lastEnd();

head("what", "measured");
row("lines, completed, failed", `${count}, ${batch?.completed}, ${batch?.failed}`);
row("validated after, s", validatedAfter.toFixed(1));
row("all lines are jobs after, s", expandedAfter.toFixed(1));
row("lines a second, validated and expanded", Math.round(count / expandedAfter));
row("ended after, s", seconds.toFixed(1));
if (!values.held)
  row(
    "from the last line's end to the batch's, s",
    (((batch?.times.completed_at_ms ?? 0) - last) / 1000).toFixed(1),
  );
row("lines a second, from the file to the results", Math.round(count / seconds));
row(
  "app, MB at a quarter, at three quarters, at most",
  [
    memory[Math.floor(memory.length / 4)],
    memory[Math.floor((memory.length * 3) / 4)],
    memory.reduce((a, b) => Math.max(a, b), 0),
  ]
    .map((mb) => Math.round(mb ?? 0))
    .join(", "),
);
row(
  "CPU ms a line, app and emulators",
  `${((cpu.app - cpuBefore.app) / count).toFixed(2)}, ${((cpu.emulators - cpuBefore.emulators) / count).toFixed(2)}`,
);
row(
  "CPU ms a line to be stored as a job, of the second and of the last tenth",
  [1, 9].map((tenth) => costOfTenth(tenth).toFixed(2)).join(", "),
);
for (const [name, value] of Object.entries(after)) {
  const each = (value - (before[name] ?? 0)) / count;
  if (each > 0.001) row(`${name}, a line`, each.toFixed(3));
}
const WRITES = ["batch", "create", "upsert", "replace"].map((name) => `Cosmos ${name}`);
const writes = WRITES.reduce((sum, name) => sum + (after[name] ?? 0) - (before[name] ?? 0), 0);
row("writes a line, beyond its job's own", (writes / count - (values.held ? 1 : OWN_BATCHES)).toFixed(3));
dispose();
await stack.stop();
rmSync(folder, { recursive: true });
