import { setTimeout as sleep } from "node:timers/promises";
import { check } from "./checker.ts";
import { RecordingClient } from "./client.ts";
import type { Evidence, Violation } from "./evidence.ts";
import { KILLERS, OTHERS, Tally } from "./injectors.ts";
import { chances } from "./seeded.ts";
import { Service } from "./service.ts";
import { wishOf } from "./wishes.ts";

export interface CampaignOptions {
  readonly seed: number;
  readonly jobs: number;
  readonly kills: number;
  /** Faults of other kinds. */
  readonly others: number;
  readonly instances: number;
  readonly say: (line: string) => void;
  readonly environment?: Record<string, string>;
  /** The stack's own output, where it is wanted. */
  readonly onOutput?: (text: string) => void;
}

export interface CampaignReport {
  readonly violations: readonly Violation[];
  readonly evidence: Evidence;
  readonly tally: Tally;
  readonly seconds: number;
  /** How long accepted jobs took, ms, in order. */
  readonly latencies: readonly number[];
  readonly output: string;
}

/** Jobs in flight: enough that every fault finds some in every step of their life. */
const IN_FLIGHT = 24;
/** When all faults are over, every job ends within this time; back-off, leases and dead letters' minute included. */
export const QUIET_MS = 100_000;
const MAX_ATTEMPTS = 10;

/** A run of the real service under faults, and what the checker makes of it. The same seed wants the same things. */
export async function campaign(options: CampaignOptions): Promise<CampaignReport> {
  const { seed, jobs, say } = options;
  const service = new Service(
    { MAX_ATTEMPTS: String(MAX_ATTEMPTS), ...options.environment },
    options.instances,
  );
  const startedAt = performance.now();
  try {
    await service.stack.start();
    const client = new RecordingClient(service.stack.url);
    const tally = new Tally();
    const progress = { submitted: 0, done: 0 };
    const load = loadOf(options, client, progress);
    const harm = harmOf(options, service, tally, progress);
    const watch = setInterval(() => {
      const at = Math.round((performance.now() - startedAt) / 1000);
      say(`${at} s: ${progress.submitted} submitted, ${progress.done} done, ${tally.kills} kills`);
    }, 5_000);
    await Promise.all([load, harm]).finally(() => clearInterval(watch));
    say(`${jobs} jobs are done, the faults are over; waiting until all is quiet`);
    const evidence = await evidenceOf(service, client, {
      tally,
      maxAttempts: MAX_ATTEMPTS,
      quietMs: QUIET_MS,
    });
    await client.close();
    const violations = check(evidence);
    const seconds = (performance.now() - startedAt) / 1000;
    const latencies = client.latencies.sort((a, b) => a - b);
    say(`seed ${seed}: ${violations.length} violations`);
    return { violations, evidence, tally, seconds, latencies, output: service.stack.output };
  } finally {
    await service.stack.remove();
  }
}

interface Progress {
  submitted: number;
  done: number;
}

async function loadOf(options: CampaignOptions, client: RecordingClient, progress: Progress): Promise<void> {
  const c = chances(options.seed, "wishes");
  const wishes = Array.from({ length: options.jobs }, (_, n) => wishOf(n, `s${options.seed}`, c));
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      for (let wish = wishes.shift(); wish !== undefined; wish = wishes.shift()) {
        progress.submitted++;
        await client.see(wish);
        progress.done++;
      }
    }),
  );
}

/** Spread over the run: the next fault comes when its share of the jobs has been submitted. */
async function harmOf(
  options: CampaignOptions,
  service: Service,
  tally: Tally,
  progress: Progress,
): Promise<void> {
  const { jobs } = options;
  const sequence = async (times: number, from: typeof KILLERS, stream: string) => {
    const c = chances(options.seed, stream);
    for (let n = 0; n < times; n++) {
      const share = ((n + 0.5) / times) * jobs;
      while (progress.submitted < Math.floor(share) && progress.done < jobs) await sleep(20);
      await sleep(c.whole(0, 250));
      const injector = c.weighted(from);
      await injector.run(service, c, tally);
      tally.add(injector.name);
    }
  };
  await Promise.all([sequence(options.kills, KILLERS, "kills"), sequence(options.others, OTHERS, "others")]);
}

/** Waits until all is quiet, or patience is over, and takes everything down. */
export async function evidenceOf(
  service: Service,
  client: RecordingClient,
  told: { tally: Tally; maxAttempts: number; quietMs: number },
): Promise<Evidence> {
  const { tally, maxAttempts, quietMs } = told;
  const isLive = (status: string) => status === "queued" || status === "in_progress";
  const none = { cosmos: { rules: [] }, service_bus: { seed: 0, rules: [] } };
  await service.until(quietMs, () => service.setFaults(none).then(() => true));
  await service.until(quietMs, async () => !(await service.stored()).some(({ job }) => isLive(job.status)));
  // An end leaves a nudge or two behind that find nothing to do.
  await service.until(quietMs, async () =>
    Object.values(await service.queues()).every((count) => count === 0),
  );
  return {
    submissions: client.submissions,
    sightings: client.sightings,
    promises: client.promises,
    stored: await service.stored(),
    calls: await service.calls(),
    queues: await service.queues(),
    hostsKilled: tally.hostsKilled,
    staleReads: false,
    maxAttempts,
  };
}
