import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

/** `npm run bench [-- NAME [options]]`: the benchmarks one after the other, or one. */
interface Benchmark {
  readonly name: string;
  readonly what: string;
  /** The file below this folder; NAME.ts if left out. */
  readonly file?: string;
  /** Only by its name: it takes long. */
  readonly alone?: boolean;
  /** It has options beyond those that `what` names, and tells them itself. */
  readonly helps?: boolean;
}

const BENCHMARKS: readonly Benchmark[] = [
  { name: "pipeline", what: "the whole service: jobs a second, added latency, CPU and operations a job" },
  {
    name: "stream",
    what: "the OpenAI door: first words of a stream, in the door and through the log, and a whole call",
  },
  {
    name: "batch",
    what: "a batch of --lines N (10,000) over three labs: lines a second, operations a line, its end; --held: no line runs",
    alone: true,
  },
  {
    name: "files",
    what: "a file of --mb N (200) up and down, and four up at once: MB a second, request units, memory of the host",
    alone: true,
  },
  { name: "costs", what: "what each step of a job costs in CPU" },
  { name: "cosmos", what: "the local Cosmos DB under the SDK" },
  { name: "service-bus", what: "the local Service Bus under the SDK" },
  { name: "idle", what: "the local stack when nobody uses it: its start, its CPU" },
  {
    name: "simulation",
    what: "the scheduler under a virtual clock",
    file: "simulation/main.ts",
    helps: true,
  },
  {
    name: "listing",
    what: "lists by status and model of a tenant with --jobs N (150,000) in the local Cosmos DB",
    alone: true,
  },
  {
    name: "turns",
    what: "this build and the one of another checkout (--against FOLDER), in turns: jobs a second, CPU a job, latency",
    alone: true,
    helps: true,
  },
  {
    name: "telemetry",
    what: "what telemetry costs in CPU when it is on: off, 10 % and all jobs traced, in turns",
    alone: true,
  },
  {
    name: "console",
    what: "the console in a browser: bytes, first paint, frames while 10,000 jobs scroll past",
    alone: true,
  },
  { name: "ru", what: "request units of Cosmos DB by operation: what kinds of jobs cost" },
  {
    name: "deliveries",
    what: "1,000 deliveries of webhooks to an endpoint that answers in 20 ms, alone and beside others that hang",
    alone: true,
  },
  {
    name: "quota",
    what: "2,000 jobs over three limited deployments, two instances, for each way of limiting",
    alone: true,
  },
  {
    name: "service-bus-memory",
    what: "1,000,000 messages through the local Service Bus: its memory, then its CPU when idle",
    alone: true,
  },
  {
    name: "soak",
    what: "at 80 % of the peak rate for --minutes N (10): memory, latency, losses",
    alone: true,
  },
];

const [wanted, ...options] = process.argv.slice(2);
const asked =
  wanted === undefined
    ? BENCHMARKS.filter(({ alone }) => alone !== true)
    : BENCHMARKS.filter(({ name }) => name === wanted);
if (asked.length === 0) {
  const width = Math.max(...BENCHMARKS.map(({ name }) => name.length));
  const lines = BENCHMARKS.map(
    ({ name, what, alone }) => `  ${name.padEnd(width)}  ${what}${alone === true ? " (only by name)" : ""}`,
  );
  const help = wanted === "--help" || wanted === "-h";
  if (!help) console.error(`There is no benchmark ${wanted}.\n`);
  console.log(`Usage: npm run bench [-- NAME [options]]\n\n${lines.join("\n")}`);
  process.exit(help ? 0 : 2);
}
const wantsHelp = options.some((option) => option === "--help" || option === "-h");
for (const { name, what, helps, file = `${name}.ts` } of asked) {
  if (wantsHelp && helps !== true) {
    console.log(`Usage: npm run bench -- ${name} [options]\n\n${what}`);
    continue;
  }
  console.log(`\n## ${name}\n`);
  const script = path.join(import.meta.dirname, file);
  if (!existsSync(script)) throw new Error(`${script} is missing`);
  const { status } = spawnSync(process.execPath, [script, ...options], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
