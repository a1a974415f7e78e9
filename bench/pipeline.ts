import { LoadClient } from "./load-client.ts";
import { describeMachine } from "./machine.ts";
import { cpuMs, head, latenciesMs, median, percentile, row, timed } from "./measure.ts";
import { type Cpu, Stack } from "./stack.ts";
import { storeEndedJobs } from "./stored-jobs.ts";

/**
 * The whole service as `npm start` runs it, simulated models at 0 ms, one load client in this process: submits a
 * second, jobs a second end to end, added latency, what a job costs in CPU and in operations, and whether any of it
 * grows with the number of jobs stored. Linux only: CPU time is from /proc.
 */
const JOBS = 5_000;
const IN_FLIGHT = 32;
const SEQUENTIAL_JOBS = 200;
/** What is measured is a service that has run for a while: V8 still compiles after some thousands of jobs. */
const WARM_UP_JOBS = 10_000;
/** Fewer where stores are compared, for they are stored too. */
const COMPARED_WARM_UP_JOBS = 2_000;
const FEW_STORED = 10;
const MANY_STORED = 100_000;
const ROUNDS = 6;
const JOBS_A_ROUND = 1_000;
const SEQUENTIAL_JOBS_A_ROUND = 40;

const callMs = await describeMachine();
await mainFigures();
console.log(`\nThe same with ${FEW_STORED} and with ${MANY_STORED} jobs in the store, in turns:\n`);
await compareStores();

async function mainFigures(): Promise<void> {
  const stack = await Stack.start();
  const client = new LoadClient(stack.url, IN_FLIGHT);
  try {
    await timed(WARM_UP_JOBS, IN_FLIGHT, (n) => client.wholeJob(n));
    head("measure", "value");
    const submitSeconds = await timed(JOBS, IN_FLIGHT, (n) => client.submit(n));
    row(`submits a second, ${IN_FLIGHT} in flight`, Math.round(JOBS / submitSeconds));
    await client.drained();

    const heldSeconds = await timed(JOBS, IN_FLIGHT, (n) => client.heldJob(n));
    row("jobs a second end to end, the submit held until the end", Math.round(JOBS / heldSeconds));

    const countedBefore = await stack.counters();
    const before = { ...stack.cpu(), own: cpuMs(process.pid) };
    const seconds = await timed(JOBS, IN_FLIGHT, (n) => client.wholeJob(n));
    const cpu = since(before, stack.cpu(), JOBS);
    row(`jobs a second end to end, ${JOBS} jobs, ${IN_FLIGHT} in flight`, Math.round(JOBS / seconds));
    row("CPU ms a job: app", cpu.app.toFixed(2));
    row("CPU ms a job: emulators", cpu.emulators.toFixed(2));
    row("CPU ms a job: load client (not counted)", ((cpuMs(process.pid) - before.own) / JOBS).toFixed(2));
    row("CPU of app and emulators a job, in calls of the openai client", (total(cpu) / callMs).toFixed(1));
    for (const [name, value] of Object.entries(await stack.counters())) {
      const each = (value - (countedBefore[name] ?? 0)) / JOBS;
      if (each >= 0.005) row(`${name} a job`, each.toFixed(2));
    }

    const latencies = await latenciesMs(SEQUENTIAL_JOBS, (n) => client.wholeJob(n));
    row(`added latency p50 ms, ${SEQUENTIAL_JOBS} jobs one by one`, percentile(latencies, 0.5).toFixed(1));
    row("added latency p99 ms", percentile(latencies, 0.99).toFixed(1));
    const held = await latenciesMs(SEQUENTIAL_JOBS, (n) => client.heldJob(n));
    row("the same, the submit held: p50 ms", percentile(held, 0.5).toFixed(1));
    row("the same, the submit held: p99 ms", percentile(held, 0.99).toFixed(1));
  } finally {
    client.close();
    await stack.stop();
  }
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
