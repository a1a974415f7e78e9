import { setTimeout as sleep } from "node:timers/promises";
import { appWith } from "./app-copy.ts";
import { check } from "./checker.ts";
import { RecordingClient } from "./client.ts";
import type { Evidence, Violation } from "./evidence.ts";
import { harmOf } from "./harm.ts";
import { HostileTenant } from "./hostile-tenant.ts";
import { Tally, Turns } from "./injector.ts";
import { MIN_ACCEPTED } from "./kinds.ts";
import { mixedHosts, NAMED_HOSTS } from "./mixed-hosts.ts";
import { EventReceiver } from "./receiver.ts";
import { chances } from "./seeded.ts";
import { Service } from "./service.ts";
import { wishOf } from "./wishes.ts";

export interface CampaignOptions {
  readonly seed: number;
  readonly jobs: number;
  readonly kills: number;
  /** Faults of other kinds. */
  readonly others: number;
  /** Host processes; of each group of functions where the layout splits them. */
  readonly instances: number;
  /** What `npm start` is told of the processes' layout besides. */
  readonly layout?: readonly string[];
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
  const app = await appWith([...NAMED_HOSTS, ...(options.isLong ? mixedHosts(seed) : [])]);
  const environment = { AzureWebJobsScriptRoot: app.folder, MAX_ATTEMPTS: String(MAX_ATTEMPTS) };
  const service = new Service({ ...environment, ...options.environment }, options);
  const receiver = new EventReceiver();
  const startedAt = performance.now();
  try {
    await service.start();
    await receiver.start();
    await receiver.register(service.stack.url);
    const client = new RecordingClient(service.stack.url);
    const tally = new Tally();
    const progress = new Progress(options, client);
    const hostile = new HostileTenant(service.stack.url, seed, (doing) => tally.add(doing));
    const attack = hostile.run();
    const load = loadOf(options, client, progress);
    const harm = harmOf(options, { service, client, tally, plans: new Turns() }, progress).finally(() => {
      progress.harmed = true;
    });
    const watch = setInterval(() => {
      const at = Math.round((performance.now() - startedAt) / 1000);
      say(`${at} s: ${progress.submitted} submitted, ${progress.done} done, ${tally.kills} kills`);
    }, 5_000);
    await Promise.all([load, harm]).finally(() => clearInterval(watch));
    hostile.stop();
    await attack;
    say(`${jobs} jobs are done, the faults are over; waiting until all is quiet`);
    const evidence = await evidenceOf(service, client, {
      ...{ tally, receiver },
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
    await service.remove();
    await receiver.stop();
    app.remove();
  }
}

/** A long run submits more jobs than it was told to, up to so many times, until all it wants has been done to them. */
const MOST_JOBS = 2;

class Progress {
  submitted = 0;
  done = 0;
  harmed = false;
  readonly #options: CampaignOptions;
  readonly #client: RecordingClient;

  constructor(options: CampaignOptions, client: RecordingClient) {
    this.#options = options;
    this.#client = client;
  }

  /** Whether another job is to be submitted. */
  get wantsMore(): boolean {
    const { jobs, isLong } = this.#options;
    if (this.submitted < jobs) return true;
    const isEnough = this.harmed && this.#client.accepted >= MIN_ACCEPTED;
    return isLong && !isEnough && this.submitted < MOST_JOBS * jobs;
  }
}

async function loadOf(options: CampaignOptions, client: RecordingClient, progress: Progress): Promise<void> {
  const c = chances(options.seed, "wishes");
  const pace = new Turns();
  await Promise.all(
    Array.from({ length: options.inFlight }, async () => {
      for (;;) {
        await pace.take(() => sleep(options.paceMs));
        if (!progress.wantsMore) return;
        // The n-th wish is the seed's, whoever of the clients it falls to.
        const wish = wishOf(progress.submitted++, `s${options.seed}`, c);
        await client.see(wish);
        progress.done++;
      }
    }),
  );
}

/** Waits until all is quiet, or patience is over, and takes everything down. */
export async function evidenceOf(
  service: Service,
  client: RecordingClient,
  told: { tally: Tally; maxAttempts: number; quietMs: number; receiver?: EventReceiver },
): Promise<Evidence> {
  const { tally, maxAttempts, quietMs, receiver } = told;
  const isLive = (status: string) => status === "queued" || status === "in_progress";
  const none = { cosmos: { rules: [] }, service_bus: { seed: 0, rules: [] } };
  await service.until(quietMs, () => service.setFaults(none).then(() => true));
  await service.until(quietMs, async () => !(await service.stored()).some(({ job }) => isLive(job.status)));
  if (receiver !== undefined)
    await service.until(quietMs, async () =>
      (await service.deliveries()).every(({ status }) => status !== undefined && status !== "pending"),
    );
  // An end leaves a nudge or two behind that find nothing to do.
  await service.until(quietMs, async () =>
    Object.values(await service.queues()).every((count) => count === 0),
  );
  const stored = await service.stored();
  return {
    submissions: client.submissions,
    sightings: client.sightings,
    promises: client.promises,
    held: client.held,
    batches: await client.batches(),
    background: await client.background(),
    ...(receiver && {
      events: {
        received: receiver.received,
        stored: await service.deliveries(),
        batches: await service.batches(),
      },
    }),
    stored,
    calls: await service.calls(stored),
    queues: await service.queues(),
    hostsKilled: tally.hostsKilled,
    stale: tally.stale,
    maxAttempts,
  };
}
