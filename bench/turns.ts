import path from "node:path";
import { parseArgs } from "node:util";
import { LoadClient } from "./load-client.ts";
import { describeMachine } from "./machine.ts";
import { head, latenciesMs, median, percentile, row, timed } from "./measure.ts";
import { type Cpu, Stack } from "./stack.ts";

/**
 * Two builds side by side: both stacks run, and rounds of the same load go to one and the other in turns, so that a slow
 * minute of the machine strikes both. The other checkout must have been built (`npm ci && npm run build`).
 */
const HELP = `Usage: npm run bench -- turns --against FOLDER [--rounds N] [--jobs N] [--warm-up N] [--split]

  --against FOLDER   a checkout of the other build
  --rounds N         of each kind and build (8)
  --jobs N           a round (2,000)
  --warm-up N        jobs of each build before it is measured (20,000: V8 compiles until then)
  --split            both in processes by group of functions, as Flex Consumption runs them
`;
const { values } = parseArgs({
  options: {
    against: { type: "string" },
    rounds: { type: "string", default: "8" },
    jobs: { type: "string", default: "2000" },
    "warm-up": { type: "string", default: "20000" },
    split: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
if (values.help || values.against === undefined) {
  console.log(HELP);
  process.exit(values.help ? 0 : 2);
}
const ROUNDS = Number(values.rounds);
const JOBS = Number(values.jobs);
const WARM_UP_JOBS = Number(values["warm-up"]);
const IN_FLIGHT = 64;
const SEQUENTIAL_JOBS = 100;

interface Round {
  readonly perSecond: number;
  readonly cpu: Cpu;
}
interface Side {
  readonly stack: Stack;
  readonly client: LoadClient;
  readonly held: Round[];
  readonly whole: Round[];
  readonly latencies: number[];
}

await describeMachine();
const layout = values.split ? ["--split"] : [];
const sides: Side[] = [];
try {
  for (const root of [path.resolve(values.against), path.resolve(import.meta.dirname, "..")]) {
    const stack = await Stack.start({ root, layout, instances: values.split ? 2 : 1 });
    const client = new LoadClient(stack.url, IN_FLIGHT);
    sides.push({ stack, client, held: [], whole: [], latencies: [] });
  }
  for (const { client } of sides) {
    await timed(WARM_UP_JOBS, IN_FLIGHT, (n) => (n % 2 === 0 ? client.wholeJob(n) : client.heldJob(n)));
  }
  for (let n = 1; n <= ROUNDS; n++) {
    // Who goes first changes: the second one of a pair meets what the first one left.
    for (const side of n % 2 === 0 ? sides.toReversed() : sides) {
      side.held.push(await round(side, (job) => side.client.heldJob(job)));
      side.whole.push(await round(side, (job) => side.client.wholeJob(job)));
      side.latencies.push(...(await latenciesMs(SEQUENTIAL_JOBS, (job) => side.client.heldJob(job))));
    }
    const latest = sides.map(({ held }) => held.at(-1)?.perSecond.toFixed(0));
    process.stderr.write(`round ${n} of ${ROUNDS}: ${latest.join(" and ")} jobs a second\n`);
  }
  tell();
} finally {
  for (const { client, stack } of sides) {
    client.close();
    await stack.stop();
  }
}

async function round({ stack }: Side, work: (n: number) => Promise<unknown>): Promise<Round> {
  const before = stack.cpu();
  const seconds = await timed(JOBS, IN_FLIGHT, work);
  const after = stack.cpu();
  const cpu = {
    app: (after.app - before.app) / JOBS,
    emulators: (after.emulators - before.emulators) / JOBS,
  };
  return { perSecond: JOBS / seconds, cpu };
}

function tell(): void {
  head(`measure, median of ${ROUNDS} rounds`, "the other build", "this build", "ratio");
  for (const kind of ["held", "whole"] as const) {
    const how = kind === "held" ? "the submit held" : "two requests a job";
    compare(`jobs a second, ${how}`, 0, (side) => median(side[kind].map(({ perSecond }) => perSecond)));
    compare(`CPU ms a job: app, ${how}`, 2, (side) => median(side[kind].map(({ cpu }) => cpu.app)));
    compare(`CPU ms a job: emulators, ${how}`, 2, (side) =>
      median(side[kind].map(({ cpu }) => cpu.emulators)),
    );
  }
  for (const share of [0.5, 0.99]) {
    compare(`added latency p${share * 100} ms, the submit held`, 1, (side) =>
      percentile(
        side.latencies.toSorted((a, b) => a - b),
        share,
      ),
    );
  }
}

function compare(name: string, digits: number, figure: (side: Side) => number): void {
  const [other, own] = sides.map(figure) as [number, number];
  row(name, other.toFixed(digits), own.toFixed(digits), (own / other).toFixed(3));
}
