import { LAYOUT, SPLIT_INSTANCES } from "./layout.ts";
import { LoadClient } from "./load-client.ts";
import { describeMachine, plainJavaScriptOnAllCoresMs } from "./machine.ts";
import { cpuMs, head, latenciesMs, median, percentile, row, timed } from "./measure.ts";
import { type Cpu, Stack } from "./stack.ts";
import { storeEndedJobs } from "./stored-jobs.ts";

/**
 * The whole service as `npm start` runs it, simulated models at 0 ms, one load client in this process: submits a
 * second, jobs a second end to end, added latency, what a job costs in CPU and in operations, and whether any of it
 * grows with the number of jobs stored. With `--split` two processes of each group of functions, as Flex Consumption
 * runs them. Linux only: CPU time is from /proc.
 */
const JOBS = 5_000;
/** Submits and warm-up jobs in flight, and jobs where they are compared with MANY_IN_FLIGHT. */
const IN_FLIGHT = 32;
/** As many as a worker runs at a time (host.json, `maxConcurrentCalls`). */
const MANY_IN_FLIGHT = 64;
const SEQUENTIAL_JOBS = 200;
const SUBMITS_A_ROUND = 2_000;
const MAIN_ROUNDS = 5;
/**
 * The measured service has run for a minute: V8 keeps compiling for some 24,000 jobs, on the same two cores. The first
 * jobs after a start are measured separately.
 */
const WARM_UP_JOBS = 25_000;
/** Fewer when stores are compared, because warm-up jobs are stored too. */
const COMPARED_WARM_UP_JOBS = 2_000;
const FEW_STORED = 10;
const MANY_STORED = 100_000;
const ROUNDS = 6;
const JOBS_A_ROUND = 1_000;
const SEQUENTIAL_JOBS_A_ROUND = 40;

const callMs = await describeMachine();
await mainFigures();
if (LAYOUT.length === 0) {
  console.log(`\nThe same with ${FEW_STORED} and with ${MANY_STORED} jobs in the store, in turns:\n`);
  await compareStores();
}

function start(): Promise<Stack> {
  return Stack.start(LAYOUT.length === 0 ? {} : { layout: LAYOUT, instances: SPLIT_INSTANCES });
}

/** One stack. Each figure is measured several times over a minute: a virtual machine's neighbours are busy that long. */
async function mainFigures(): Promise<void> {
  const stack = await start();
  const client = new LoadClient(stack.url, MANY_IN_FLIGHT);
  const held = (n: number) => client.heldJob(n);
  const whole = (n: number) => client.wholeJob(n);
  try {
    const first = await throughput(stack, { jobs: JOBS, inFlight: IN_FLIGHT }, held);
    await timed(WARM_UP_JOBS, IN_FLIGHT, (n) => (n % 2 === 0 ? whole(n) : held(n)));

    const machineMs: number[] = [];
    const submits: Throughput[] = [];
    const latencies: number[][] = [];
    const heldLatencies: number[][] = [];
    const series = [
      { inFlight: MANY_IN_FLIGHT, how: "the submit held until the end", work: held },
      { inFlight: MANY_IN_FLIGHT, how: "two requests a job", work: whole },
      { inFlight: IN_FLIGHT, how: "the submit held until the end", work: held },
    ].map((each) => ({ ...each, rounds: [] as Throughput[] }));
    let counted: Record<string, number> = {};
    for (let round = 1; round <= MAIN_ROUNDS; round++) {
      progress(`round ${round} of ${MAIN_ROUNDS}`);
      const amount = { jobs: SUBMITS_A_ROUND, inFlight: IN_FLIGHT };
      submits.push(await throughput(stack, amount, (n) => client.submit(n)));
      await client.drained();
      const before = await stack.counters();
      for (const { inFlight, work, rounds } of series)
        rounds.push(await throughput(stack, { jobs: JOBS, inFlight }, work));
      counted = added(counted, before, await stack.counters());
      // In turns: the first ones come right after the load.
      if (round % 2 === 0) heldLatencies.push(await latenciesMs(SEQUENTIAL_JOBS, held));
      latencies.push(await latenciesMs(SEQUENTIAL_JOBS, whole));
      if (round % 2 === 1) heldLatencies.push(await latenciesMs(SEQUENTIAL_JOBS, held));
      machineMs.push(await plainJavaScriptOnAllCoresMs());
    }

    head("measure", `median of ${MAIN_ROUNDS} rounds`, "lowest", "highest");
    spread("fixed plain JavaScript on every core, between the rounds, CPU ms", machineMs, 0);
    spread(`submits a second, ${IN_FLIGHT} in flight`, submits.map(perSecond), 0);
    for (const { inFlight, how, rounds } of series) tellThroughput(`${inFlight} in flight, ${how}`, rounds);
    tellLatencies("two requests a job", latencies);
    tellLatencies("the submit held", heldLatencies);
    console.log("");
    head("measure", "value");
    row(`jobs a second, the submit held, the first ${JOBS} after the start`, first.perSecond.toFixed(0));
    row("CPU ms a job of these: app", first.cpu.app.toFixed(2));
    for (const [name, value] of Object.entries(counted)) {
      const each = value / (series.length * MAIN_ROUNDS * JOBS);
      if (each >= 0.005) row(`${name} a job`, each.toFixed(2));
    }
  } finally {
    client.close();
    await stack.stop();
  }
}

interface Throughput {
  readonly perSecond: number;
  /** CPU ms a job. */
  readonly cpu: Cpu;
  /** CPU ms a job of the load client. */
  readonly own: number;
}

async function throughput(
  stack: Stack,
  { jobs, inFlight }: { readonly jobs: number; readonly inFlight: number },
  work: (n: number) => Promise<unknown>,
): Promise<Throughput> {
  const before = { ...stack.cpu(), own: cpuMs(process.pid) };
  const seconds = await timed(jobs, inFlight, work);
  const own = (cpuMs(process.pid) - before.own) / jobs;
  return { perSecond: jobs / seconds, cpu: since(before, stack.cpu(), jobs), own };
}

function perSecond(round: Throughput): number {
  return round.perSecond;
}

function tellThroughput(how: string, rounds: readonly Throughput[]): void {
  const each = (value: (round: Throughput) => number) => rounds.map(value);
  spread(`jobs a second end to end, ${JOBS} jobs, ${how}`, each(perSecond), 0);
  spread(
    "CPU ms a job: app",
    each((round) => round.cpu.app),
    2,
  );
  spread(
    "CPU ms a job: emulators",
    each((round) => round.cpu.emulators),
    2,
  );
  spread(
    "CPU ms a job: load client (not counted)",
    each((round) => round.own),
    2,
  );
  spread(
    "app and emulators, in calls of the openai client",
    each((round) => total(round.cpu) / callMs),
    1,
  );
}

function tellLatencies(how: string, rounds: readonly (readonly number[])[]): void {
  const each = (share: number) => rounds.map((sorted) => percentile(sorted, share));
  spread(`added latency p50 ms, ${SEQUENTIAL_JOBS} jobs one by one, ${how}`, each(0.5), 1);
  spread("added latency p99 ms", each(0.99), 1);
}

function spread(name: string, values: readonly number[], digits: number): void {
  const shown = [median(values), Math.min(...values), Math.max(...values)];
  row(name, ...shown.map((value) => value.toFixed(digits)));
}

/** Minutes pass before the first table; it goes to stderr, so that the tables can be kept as they are. */
function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** `sum` and what was counted between the two. */
function added(
  sum: Readonly<Record<string, number>>,
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Record<string, number> {
  const grown = Object.entries(after).map(([name, value]) => [
    name,
    (sum[name] ?? 0) + value - (before[name] ?? 0),
  ]);
  return Object.fromEntries(grown);
}

/** Two stacks side by side, measured in turns: what disturbs the machine disturbs both. */
async function compareStores(): Promise<void> {
  const stacks = await Promise.all([Stack.start(), Stack.start()]);
  const clients = stacks.map((stack) => new LoadClient(stack.url, IN_FLIGHT));
  try {
    const rounds: Round[][] = [[], []];
    for (const [at, stack] of stacks.entries())
      await storeEndedJobs(stack, at === 0 ? FEW_STORED : MANY_STORED);
    for (const client of clients) await timed(COMPARED_WARM_UP_JOBS, IN_FLIGHT, (n) => client.wholeJob(n));
    for (let n = 0; n < ROUNDS; n++) {
      const inTurn = n % 2 === 0 ? [...stacks.entries()] : [...stacks.entries()].reverse();
      for (const [at, stack] of inTurn) {
        const client = clients[at];
        if (client !== undefined) rounds[at]?.push(await round(stack, client));
      }
    }
    const of = (at: number, value: (round: Round) => number) => median((rounds[at] ?? []).map(value));
    head("measure, median of rounds", `${FEW_STORED} stored`, `${MANY_STORED} stored`, "ratio");
    const compare = (name: string, value: (round: Round) => number, digits: number) => {
      const [few, many] = [of(0, value), of(1, value)];
      row(name, few.toFixed(digits), many.toFixed(digits), (many / few).toFixed(2));
    };
    compare("jobs a second end to end", (each) => each.perSecond, 0);
    compare("CPU ms a job: app", (each) => each.cpu.app, 2);
    compare("CPU ms a job: emulators", (each) => each.cpu.emulators, 2);
    compare("CPU ms a job: both", (each) => total(each.cpu), 2);
    compare("Cosmos request units a job", (each) => each.requestUnits, 1);
    compare("added latency p50 ms", (each) => each.p50, 1);
  } finally {
    for (const client of clients) client.close();
    for (const stack of stacks) await stack.stop();
  }
}

interface Round {
  readonly perSecond: number;
  readonly cpu: Cpu;
  readonly requestUnits: number;
  readonly p50: number;
}

async function round(stack: Stack, client: LoadClient): Promise<Round> {
  const units = async () => (await stack.counters())["Cosmos request_units"] ?? 0;
  const [before, unitsBefore] = [stack.cpu(), await units()];
  const seconds = await timed(JOBS_A_ROUND, IN_FLIGHT, (n) => client.wholeJob(n));
  const cpu = since(before, stack.cpu(), JOBS_A_ROUND);
  const requestUnits = ((await units()) - unitsBefore) / JOBS_A_ROUND;
  const latencies = await latenciesMs(SEQUENTIAL_JOBS_A_ROUND, (n) => client.wholeJob(n));
  return { perSecond: JOBS_A_ROUND / seconds, cpu, requestUnits, p50: percentile(latencies, 0.5) };
}

function since(before: Cpu, after: Cpu, jobs: number): Cpu {
  return {
    app: (after.app - before.app) / jobs,
    emulators: (after.emulators - before.emulators) / jobs,
  };
}

function total(cpu: Cpu): number {
  return cpu.app + cpu.emulators;
}
