import { parseArgs } from "node:util";
import { type CampaignReport, campaign } from "./campaign.ts";
import { notShown } from "./kinds.ts";
import { printReport } from "./report.ts";

/**
 * `npm run test:faults`: the service under faults, and whether it kept its promises. Ends with exit code 1 where it
 * did not, with 2 where a long run did not show all that it is for. The same seed submits the same jobs and orders the
 * same faults; how they meet is up to the machine.
 */
const HELP = `Usage: npm run test:faults [-- --long] [--seed N] [--seeds N] [--jobs N] [--kills N] [--others N] [--instances N]
                              [--split [--freeze[=hard]]]

  --long          the long form: at least 1,000 jobs accepted, 60 kills and every kind of fault, or it ends as «not
                  shown»; else 120 jobs and 8 kills
  --seed N        the first seed (by chance where it is left out; printed, so that a run can be repeated)
  --seeds N       so many seeds, one after another (1)
  --jobs N, --kills N, --others N, --instances N   jobs, kills (short form), faults of other kinds, host processes
  --split         each group of functions in processes of its own, two of each, as Flex Consumption runs them
  --freeze        with --split: idle processes are frozen, taken away and started again, as it may do (--freeze=hard:
                  without warning)
  --output        prints what the service itself wrote
`;

const { values } = parseArgs({
  args: process.argv.slice(2).map((arg) => (arg === "--freeze" ? "--freeze=drain" : arg)),
  options: {
    long: { type: "boolean", default: false },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1_000_000)) },
    seeds: { type: "string", default: "1" },
    jobs: { type: "string" },
    kills: { type: "string" },
    others: { type: "string" },
    instances: { type: "string" },
    split: { type: "boolean", default: false },
    freeze: { type: "string" },
    output: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

/** Some submits are refused or never answered, some kills find nobody: over 1,000 jobs accepted, 60 processes killed. */
const LONG = { jobs: 1_300, kills: 60, others: 30, inFlight: 300, paceMs: 110 };
const SHORT = { jobs: 120, kills: 8, others: 4, inFlight: 24, paceMs: 0 };

/** Split, it is of each of seven groups. */
const INSTANCES = { whole: 3, split: 2 };

function flags(): string[] {
  const { long, split, freeze } = values;
  return [
    ...(long ? ["--long"] : []),
    ...(split ? ["--split"] : []),
    ...(freeze === undefined ? [] : [`--freeze=${freeze}`]),
  ];
}

function layout(seed: number): { instances: number; layout: string[] } {
  const { split, freeze } = values;
  const given = values.instances ?? String(split ? INSTANCES.split : INSTANCES.whole);
  return {
    instances: wholeOf(given, "instances"),
    layout: [
      ...(split ? ["--split"] : []),
      ...(freeze === undefined ? [] : [`--freeze=${freeze}`, "--seed", String(seed)]),
    ],
  };
}

function wholeOf(text: string, name: string): number {
  if (!/^\d{1,7}$/.test(text)) throw new RangeError(`--${name} must be a whole number; it is "${text}".`);
  return Number(text);
}

if (values.help) process.stdout.write(HELP);
else {
  const form = values.long ? LONG : SHORT;
  const given = (name: "jobs" | "kills" | "others") => wholeOf(values[name] ?? String(form[name]), name);
  const first = wholeOf(values.seed, "seed");
  const reports: { seed: number; report: CampaignReport }[] = [];
  for (let seed = first; seed < first + wholeOf(values.seeds, "seeds"); seed++) {
    console.log(
      `seed ${seed}: npm run test:faults -- ${[...flags(), "--seed", seed].join(" ")} runs it again`,
    );
    const report = await campaign({
      seed,
      jobs: given("jobs"),
      kills: given("kills"),
      others: given("others"),
      inFlight: form.inFlight,
      paceMs: form.paceMs,
      isLong: values.long,
      ...layout(seed),
      say: (line) => console.log(`  ${line}`),
    });
    printReport(seed, report, (line) => console.log(line), values.long);
    if (values.output) console.log(report.output);
    reports.push({ seed, report });
  }
  const broken = reports.filter(({ report }) => report.violations.length > 0);
  const lacking = reports.filter(({ report }) => values.long && notShown(report).length > 0);
  console.log(
    `${reports.length} seeds, ${broken.length} of them with broken promises, ${lacking.length} that have not shown all`,
  );
  if (broken.length > 0) process.exitCode = 1;
  else if (lacking.length > 0) process.exitCode = 2;
}
