import { LoadClient } from "./load-client.ts";
import { cpuMs, head, machineCpuMs, median, percentile, row, timed } from "./measure.ts";
import { Stack } from "./stack.ts";

/**
 * `npm run bench -- soak [--minutes N]`: for N minutes (10) jobs come at 80 % of the peak rate that is measured first.
 * Prints a row for each part of the time, then what it says of memory, latency and losses; ends with exit code 1 when a
 * job was lost. CPU in cores: where the service falls behind, the others' says whether it was left the machine. Linux
 * only: memory and CPU time are from /proc.
 */
const DEFAULT_MINUTES = 10;
const PARTS = 20;
const PEAK_JOBS = 3_000;
const WARM_UP_JOBS = 1_500;
const PEAK_IN_FLIGHT = 32;
const SHARE_OF_PEAK = 0.8;
/** The most jobs that may be behind, when the service stalls for a moment. */
const CONNECTIONS = 512;

const minutes = minutesAsked();
const stack = await Stack.start();
const client = new LoadClient(stack.url, CONNECTIONS);
const tally = { submitted: 0, accepted: 0, completed: 0, refused: 0, underWay: 0 };
const troubles: string[] = [];
let latencies: number[] = [];

try {
  await timed(WARM_UP_JOBS, PEAK_IN_FLIGHT, (n) => client.wholeJob(n));
  const peak = PEAK_JOBS / (await timed(PEAK_JOBS, PEAK_IN_FLIGHT, (n) => client.wholeJob(n)));
  const rate = Math.floor(peak * SHARE_OF_PEAK);
  console.log(`Peak ${Math.round(peak)} jobs/s; ${minutes} minutes at ${rate} jobs/s.\n`);
  const parts = await soak(rate);
  await untilNoneUnderWay();
  await client.drained();
  report(parts);
} finally {
  client.close();
  await stack.stop();
}
process.exitCode = tally.completed === tally.submitted ? 0 : 1;

interface Part {
  readonly p50: number;
  readonly p99: number;
  readonly appMb: number;
  readonly emulatorsMb: number;
}

/** Jobs come when their time comes, whether or not earlier ones have ended. */
async function soak(rate: number): Promise<Part[]> {
  head(
    "minute",
    "jobs/s ended",
    "under way",
    "p50 ms",
    "p99 ms",
    "app MB",
    "emulators MB",
    "app CPU",
    "others' CPU",
  );
  const parts: Part[] = [];
  const startedAt = performance.now();
  const partMs = (minutes * 60_000) / PARTS;
  for (let part = 1; part <= PARTS; part++) {
    const [before, partAt, cpuBefore] = [tally.completed, performance.now(), cpu()];
    while (performance.now() - startedAt < part * partMs) {
      const due = ((performance.now() - startedAt) / 1000) * rate;
      while (tally.submitted < due) void job(tally.submitted++);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const tookMs = performance.now() - partAt;
    const perSecond = (tally.completed - before) / (tookMs / 1000);
    const cpuNow = cpu();
    const cores = (of: "app" | "others") => ((cpuNow[of] - cpuBefore[of]) / tookMs).toFixed(2);
    const sorted = latencies.sort((a, b) => a - b);
    latencies = [];
    const { app, emulators } = stack.memoryMb();
    const figures = {
      ...{ p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) },
      ...{ appMb: app, emulatorsMb: emulators },
    };
    parts.push(figures);
    row(
      ((part * partMs) / 60_000).toFixed(1),
      Math.round(perSecond),
      tally.underWay,
      figures.p50.toFixed(1),
      figures.p99.toFixed(1),
      Math.round(app),
      Math.round(emulators),
      cores("app"),
      cores("others"),
    );
  }
  return parts;
}

/** CPU time so far, ms: the app's, and that of all processes outside this benchmark. */
function cpu(): { readonly app: number; readonly others: number } {
  const { app, emulators } = stack.cpu();
  return { app, others: machineCpuMs() - app - emulators - cpuMs(process.pid) };
}

async function job(n: number): Promise<void> {
  const startedAt = performance.now();
  tally.underWay++;
  try {
    const id = await client.submit(n);
    tally.accepted++;
    await client.result(id);
    tally.completed++;
    latencies.push(performance.now() - startedAt);
  } catch (thrown) {
    tally.refused++;
    if (troubles.length < 5) troubles.push(String(thrown));
  } finally {
    tally.underWay--;
  }
}

async function untilNoneUnderWay(): Promise<void> {
  while (tally.underWay > 0) await new Promise((resolve) => setTimeout(resolve, 100));
}

/** The first fifth is the warm-up; of the rest the first half is compared with the second. */
function report(parts: readonly Part[]): void {
  const warm = parts.slice(PARTS / 5);
  const halves = [warm.slice(0, warm.length / 2), warm.slice(warm.length / 2)];
  const [first, second] = halves.map((half) => ({
    p50: median(half.map((part) => part.p50)),
    p99: median(half.map((part) => part.p99)),
    appMb: median(half.map((part) => part.appMb)),
    emulatorsMb: median(half.map((part) => part.emulatorsMb)),
  }));
  if (first === undefined || second === undefined) return;
  console.log("");
  head("after warm-up, medians", "first half", "second half", "ratio");
  for (const name of ["p50", "p99", "appMb", "emulatorsMb"] as const) {
    row(name, first[name].toFixed(1), second[name].toFixed(1), (second[name] / first[name]).toFixed(2));
  }
  console.log("");
  const { submitted, accepted, completed } = tally;
  console.log(
    `${submitted} jobs submitted, ${accepted} accepted, ${completed} completed; none is left unended.`,
  );
  for (const trouble of troubles) console.log(`Trouble: ${trouble}`);
}

function minutesAsked(): number {
  const args = process.argv.slice(2);
  const text = args[0] === "--minutes" ? args[1] : args[0]?.replace(/^--minutes=/, "");
  const asked = Number(text ?? DEFAULT_MINUTES);
  if (args.length > 2 || !Number.isFinite(asked) || asked <= 0) {
    console.error("Usage: npm run bench -- soak [--minutes N]");
    process.exit(2);
  }
  return asked;
}
