import { setTimeout as sleep } from "node:timers/promises";
import { appWith } from "./app-copy.ts";
import { check } from "./checker.ts";
import { RecordingClient } from "./client.ts";
import type { Evidence, Violation } from "./evidence.ts";
import { type Injector, Tally, Turns, type World } from "./injector.ts";
import { OTHERS, refusedForLong } from "./injectors.ts";
import { KILLERS } from "./kills.ts";
import { mixedHosts, NAMED_HOSTS } from "./mixed-hosts.ts";
import { type Chances, chances } from "./seeded.ts";
import { Service } from "./service.ts";
import { wishOf } from "./wishes.ts";

export interface CampaignOptions {
  readonly seed: number;
  readonly jobs: number;
  readonly kills: number;
  /** Faults of other kinds. */
  readonly others: number;
  readonly instances: number;
  /** Jobs at the same time, at most. */
  readonly inFlight: number;
  /** Between two submits, ms: jobs that wait long then hold nobody up. */
  readonly paceMs: number;
  /** With hosts of several clocks and versions, and a lab that refuses every call for over a minute. */
  readonly isLong: boolean;
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

/**
 * When all faults are over, every job ends within this time: back-off, leases, dead letters' minute, and the half a
 * minute that clocks differ.
 */
export const QUIET_MS = 140_000;
const MAX_ATTEMPTS = 10;

/** A run of the real service under faults, and what the checker makes of it. The same seed wants the same things. */
export async function campaign(options: CampaignOptions): Promise<CampaignReport> {
  const { seed, jobs, say } = options;
  const app = appWith([...NAMED_HOSTS, ...(options.isLong ? mixedHosts(seed) : [])]);
  const environment = { AzureWebJobsScriptRoot: app.folder, MAX_ATTEMPTS: String(MAX_ATTEMPTS) };
  const service = new Service({ ...environment, ...options.environment }, options.instances);
  const startedAt = performance.now();
  try {
    await service.stack.start();
    const client = new RecordingClient(service.stack.url);
    const tally = new Tally();
    const progress = { submitted: 0, done: 0 };
    const load = loadOf(options, client, progress);
    const harm = harmOf(options, { service, client, tally, plans: new Turns() }, progress);
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
    app.remove();
  }
}

interface Progress {
  submitted: number;
  done: number;
}

async function loadOf(options: CampaignOptions, client: RecordingClient, progress: Progress): Promise<void> {
  const c = chances(options.seed, "wishes");
  const wishes = Array.from({ length: options.jobs }, (_, n) => wishOf(n, `s${options.seed}`, c));
  const pace = new Turns();
  await Promise.all(
    Array.from({ length: options.inFlight }, async () => {
      for (let wish = wishes.shift(); wish !== undefined; wish = wishes.shift()) {
        await pace.take(() => sleep(options.paceMs));
        progress.submitted++;
        await client.see(wish);
        progress.done++;
      }
    }),
  );
}

/** Spread over the run: the next fault comes when its share of the jobs has been submitted. */
async function harmOf(options: CampaignOptions, world: World, progress: Progress): Promise<void> {
  const { jobs } = options;
  const sequence = async (faults: readonly Injector[], c: Chances) => {
    for (const [n, injector] of faults.entries()) {
      const share = ((n + 0.5) / faults.length) * jobs;
      while (progress.submitted < Math.floor(share) && progress.done < jobs) await sleep(20);
      await sleep(c.whole(0, 250));
      if ((await injector.run(world, c)) !== false) world.tally.add(injector.name);
    }
  };
  const [kills, others] = [chances(options.seed, "kills"), chances(options.seed, "others")];
  await Promise.all([
    sequence(dealt(KILLERS, options.kills, kills), kills),
    sequence(dealt(OTHERS, options.others, others), others),
    sequence(options.isLong ? [refusedForLong] : [], others),
  ]);
}

/** So many by their weight, each kind at least once where there is room for all; in an order by chance. */
function dealt(
  from: readonly (readonly [weight: number, injector: Injector])[],
  times: number,
  c: Chances,
): Injector[] {
  const each = times < from.length ? [] : from.map(([, injector]) => injector);
  const more = Array.from({ length: times - each.length }, () => c.weighted(from));
  return [...each, ...more]
    .map((injector) => ({ injector, at: c.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ injector }) => injector);
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
    stale: tally.stale,
    maxAttempts,
  };
}
