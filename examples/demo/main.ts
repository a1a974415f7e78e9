import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Api, type Comparison, connect } from "./api.ts";
import { type BatchOutcome, batchFaults, runBatch } from "./batch.ts";
import { COMPARED } from "./compared.ts";
import { faultsOf, type Outcome } from "./outcome.ts";
import { packageRoot } from "./package-root.ts";
import { Progress, type Screen } from "./progress.ts";
import { type Prompt, parsePrompts } from "./prompts.ts";
import { answersTable, auditTable, batchSentence, comparisonTable, costOf, labsTable } from "./report.ts";
import { type Lab, runJobs } from "./run-jobs.ts";
import { accountsOfOnesOwn, simulatedOnly } from "./simulated-models.ts";
import { stackEntry, stackEnv, startStack } from "./stack-process.ts";

const HELP = `Usage: npm run demo [-- --keep]

Starts the whole stack in a folder of its own, submits every prompt of examples/demo/prompts.jsonl to every simulated
lab, and prints the answers, their latency, tokens and cost, one job's audit trail with its hashes verified, and a
comparison of the labs that know JSON schemas over one body, and of a batch over all labs.
Ends with exit code 0 only if every job completed and every audit trail holds.

  --keep   keeps the folder, with the stack's data and log
  --help   this text

MODEL_LATENCY_SCALE says how slow the simulated models are: 1 like real ones (default), 0 at once.
`;
const KEY = "local-team-a";
const CHAT = "/v1/chat/completions";
/** Everything after the start of the stack; it takes seconds. */
const PATIENCE_MS = 300_000;
const DEFAULT_WIDTH = 120;
const MAX_SHOWN_FAULTS = 10;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { keep: { type: "boolean", default: false }, help: { type: "boolean", short: "h" } },
  });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const root = packageRoot();
  const prompts = parsePrompts(readFileSync(join(root, "examples", "demo", "prompts.jsonl"), "utf8"));
  const folder = mkdtempSync(join(tmpdir(), "switchyard-demo-"));
  const ending = new AbortController();
  const onSignal = (name: NodeJS.Signals) => ending.abort(new Error(`Ended by ${name}.`));
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(name, onSignal);
  try {
    return await demo(root, folder, prompts, ending.signal);
  } finally {
    if (values.keep) say(`\nThe stack's data and log are kept in ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
}

async function demo(
  root: string,
  folder: string,
  prompts: readonly Prompt[],
  signal: AbortSignal,
): Promise<number> {
  refuseAccountsOfOnesOwn(root);
  const modelsFile = join(folder, "models.json");
  writeFileSync(modelsFile, JSON.stringify(simulatedOnly(json(join(root, "models.json")))));
  const files = { dataDir: join(folder, "data"), modelsFile, tenantsFile: join(root, "tenants.json") };
  say("Starting the stack in a folder of its own …");
  const stack = await startStack({
    entry: stackEntry(root),
    root,
    env: stackEnv(process.env, files),
    logFile: join(folder, "stack.log"),
    signal,
  });
  try {
    say(`Ready at ${stack.base}\n`);
    const late = new AbortController();
    setTimeout(
      () => late.abort(new Error(`Not every job had ended within ${PATIENCE_MS / 1000} s.`)),
      PATIENCE_MS,
    ).unref();
    const api = connect(stack.base, KEY, AbortSignal.any([signal, late.signal]));
    const started = performance.now();
    const outcomes = await Promise.race([runOn(api, prompts), stack.failed]);
    const elapsedMs = performance.now() - started;
    const comparison = await Promise.race([compareOn(api), stack.failed]);
    const batch = await Promise.race([batchOn(api, prompts), stack.failed]);
    return report(outcomes, elapsedMs, comparison, batch);
  } finally {
    await stack.stop();
  }
}

/** @param capability that its model must have */
async function labsOf(api: Api, capability?: string): Promise<Lab[]> {
  return (await api.models())
    .filter((model) => model.endpoints.includes(CHAT) && model.owned_by !== "switchyard")
    .filter(({ capabilities }) => capability === undefined || capabilities.includes(capability))
    .map((model): Lab => ({ name: model.owned_by, model: model.id }));
}

async function compareOn(api: Api): Promise<Comparison> {
  const models = (await labsOf(api, "json_schema")).map(({ model }) => model);
  return api.compare("demo-comparison", models, COMPARED);
}

async function runOn(api: Api, prompts: readonly Prompt[]): Promise<Outcome[]> {
  const labs = await labsOf(api);
  say(`${prompts.length} prompts over texts in the public domain, each to ${labs.length} labs:`);
  say(`${labs.map((lab) => `${lab.model} (${lab.name})`).join(", ")}.`);
  say("These models are SIMULATED: their answers are made from the prompts on this machine.\n");
  const progress = new Progress(screen);
  try {
    return await runJobs(
      api,
      prompts,
      labs,
      () => performance.now(),
      (state) => progress.show(state),
    );
  } finally {
    progress.end();
  }
}

async function batchOn(api: Api, prompts: readonly Prompt[]): Promise<BatchOutcome> {
  say("\nAnd a batch: one file, its lines for all labs.");
  const progress = new Progress(screen);
  try {
    return await runBatch(api, prompts, await labsOf(api), (state) => progress.show(state));
  } finally {
    progress.end();
  }
}

/** Prints what came of it. The exit code. */
function report(
  outcomes: readonly Outcome[],
  elapsedMs: number,
  comparison: Comparison,
  batch: BatchOutcome,
): number {
  const faults = [...faultsOf(outcomes), ...batchFaults(batch)];
  say(`\nAnswers (simulated)\n\n${answersTable(outcomes, screen.width)}`);
  say(`\nBy lab (simulated; latency is that of the call)\n\n${labsTable(outcomes, screen.width)}`);
  const seconds = elapsedMs / 1000;
  say(
    `\n${outcomes.length} jobs in ${seconds.toFixed(1)} s, ${(outcomes.length / seconds).toFixed(1)} a second. ` +
      `At these prices they would have cost $${costOf(outcomes)}; nothing was spent, and no prompt left this machine.`,
  );
  const example = outcomes.find(({ audit }) => audit.length > 0);
  if (example !== undefined) {
    const { job, audit, prompt, lab } = example;
    say(`\nAudit trail of ${prompt.id} at ${lab}, ${job.id}\n\n${auditTable(audit, screen.width)}`);
  }
  say(
    `\nOne body to every lab that knows JSON schemas (simulated), ${comparison.id}\n\n${comparisonTable(comparison, screen.width)}`,
  );
  const ended = comparison.jobs.filter(({ job }) => job?.status === "completed");
  if (ended.length < comparison.jobs.length)
    faults.push(`${comparison.id} has ${ended.length} answers of ${comparison.jobs.length}`);
  say(`\n${batchSentence(batch.batch)}`);
  if (faults.length === 0) {
    const records = outcomes.reduce((total, { audit }) => total + audit.length, 0);
    say(
      `\nVerified: ${records} audit records in ${outcomes.length} trails, each one's SHA-256 that of its content.`,
    );
    return 0;
  }
  const rest = faults.length > MAX_SHOWN_FAULTS ? [`… and ${faults.length - MAX_SHOWN_FAULTS} more`] : [];
  const lines = [...faults.slice(0, MAX_SHOWN_FAULTS), ...rest].map((fault) => `  - ${fault}`);
  process.stderr.write(`\nThe demo failed:\n${lines.join("\n")}\n`);
  return 1;
}

function refuseAccountsOfOnesOwn(root: string): void {
  const valuesOf = (file: string) => json<{ Values?: Record<string, string> }>(join(root, file)).Values ?? {};
  const own = accountsOfOnesOwn(valuesOf("local.settings.json"), valuesOf("local.settings.sample.json"));
  if (own.length === 0) return;
  throw new Error(
    `local.settings.json names accounts of your own (${own.join(", ")}), and the demo would fill them with its jobs. Move the file away for as long as the demo runs.`,
  );
}

/** An empty object where there is no such file. */
function json<T extends object>(file: string): T | Partial<T> {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw new Error(`${file}: ${thrown instanceof Error ? thrown.message : thrown}`, { cause: thrown });
  }
}

const screen: Screen = {
  isTTY: process.stdout.isTTY === true,
  get width() {
    return process.stdout.columns || DEFAULT_WIDTH;
  },
  write: (text) => void process.stdout.write(text),
};

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (thrown: unknown) => {
    process.stderr.write(`\n${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
    process.exitCode = 1;
  },
);
