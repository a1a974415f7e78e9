import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { head } from "../measure.ts";
import { BEGINNING_HEAD, begin, beginningRow } from "./beginning.ts";
import { hostilities } from "./hostile.ts";
import { hostings } from "./hosting.ts";
import { neighbours } from "./neighbour.ts";
import { plotOf } from "./plot.ts";
import { report, scaleHead, scaleRow } from "./report.ts";
import { run } from "./run.ts";
import { partOf, SCENARIOS, type Scenario } from "./scenarios.ts";
import { runShape, SHAPES } from "./shapes.ts";

/** The scheduler's own code under a virtual clock; the machinery around it, labs and tenants are played. */
const DEFAULT_SEED = "1";
const SCALE = [1_000, 10_000, 100_000, 1_000_000];
/** How many deployments, instances, tenants and routes, and how much quota. */
const PARTS = [0.1, 0.02];
const OTHERS: Readonly<Record<string, string>> = {
  shapes:
    "2,000 jobs, three deployments, two instances, for each way of limiting (--only PART of a shape's name)",
  hostile: "20 tenants beside one that does them harm, in each of the ways there are and in all at once",
  neighbour: "a tenant with 10 jobs beside one with 100,000 (--jobs)",
  beginning:
    "1,000 jobs (--jobs) of backlog, as scale's first, through the real parts of all instances: slices, reports, dispatcher",
  hosting:
    "backlogs and limited concurrency as processes are frozen, taken away and told to end (--only PART of a row's name)",
  scale:
    "backlog with 1,000 to 1,000,000 jobs (--jobs: the most), and 1,000 on fewer deployments; one line each; minutes",
};

function help(): string {
  const all = [...SCENARIOS.map(({ name, what }) => [name, what] as const), ...Object.entries(OTHERS)];
  const lines = all.map(([name, what]) => `  ${name.padEnd(10)} ${what}`);
  return `Usage: npm run bench -- simulation [SCENARIO] [--seed N] [--jobs N] [--svg FILE]

The scheduler's own code under a virtual clock. A seed gives the same run each time, but for CPU.
Without a scenario: shapes, small and neighbour.

${lines.join("\n")}

  --seed N    ${DEFAULT_SEED} where it is left out
  --jobs N    fewer or more jobs than the scenario has
  --svg FILE  draws the run there`;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string", default: DEFAULT_SEED },
    jobs: { type: "string" },
    svg: { type: "string" },
    only: { type: "string", default: "" },
    help: { type: "boolean", short: "h", default: false },
  },
});
const { seed, svg, only } = values;
const jobs = values.jobs === undefined ? undefined : Number(values.jobs);
const wanted = positionals.length > 0 ? positionals : ["shapes", "small", "neighbour"];
const known = (name: string) => name in OTHERS || SCENARIOS.some((each) => each.name === name);
const isWrong = !wanted.every(known) || (jobs !== undefined && !(Number.isInteger(jobs) && jobs > 0));
if (values.help || isWrong) {
  console.log(help());
  process.exit(values.help ? 0 : 2);
}
console.log(`seed ${seed}`);
for (const name of wanted) await simulate(name);

async function simulate(name: string): Promise<void> {
  const scenario = SCENARIOS.find((each) => each.name === name);
  if (scenario !== undefined) {
    const done = run({ ...scenario, jobs: jobs ?? scenario.jobs }, seed);
    report(done);
    if (svg !== undefined) writeFileSync(svg, plotOf(done));
    return;
  }
  console.log("");
  if (name === "shapes") shapes();
  else if (name === "beginning") await beginning();
  else if (name === "hosting") await hostings(seed, only);
  else if (name === "hostile") hostilities(seed);
  else if (name === "neighbour") neighbours(jobs ?? 100_000, seed);
  else scale();
}

function shapes(): void {
  const calls = ["refused a job", "failed calls", "writes a job", "nudges a job"];
  head("limits", "jobs done", "seconds", "ratio to the ideal", ...calls);
  for (const shape of SHAPES) if (shape.name.startsWith(only)) console.log(runShape(shape, seed));
}

function backlogOf(): Scenario {
  const backlog = SCENARIOS.find(({ name }) => name === "backlog");
  if (backlog === undefined) throw new Error("the scenario «backlog» is missing");
  return backlog;
}

async function beginning(): Promise<void> {
  head(...BEGINNING_HEAD);
  const few = { ...backlogOf(), jobs: jobs ?? 1_000 };
  for (const bucketsFull of [false, true]) beginningRow(await begin({ ...few, bucketsFull }, seed));
}

function scale(): void {
  const backlog = backlogOf();
  // The first run of a process is slow, whatever it does.
  run({ ...backlog, jobs: 5_000 }, seed);
  scaleHead();
  for (const count of SCALE)
    if (count <= (jobs ?? Infinity)) scaleRow(run({ ...backlog, jobs: count }, seed));
  // The fewest jobs again: where the beginning is all there is, as it is found, and with as few who share them.
  const [few = 1] = SCALE;
  scaleRow(run({ ...backlog, jobs: few, bucketsFull: true }, seed));
  for (const part of PARTS) scaleRow(run({ ...partOf(backlog, part), jobs: few }, seed));
}
