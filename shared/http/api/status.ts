import { z } from "zod";
import type { Clock } from "../../clock.ts";
import { backlogOf, type LiveJobs } from "../../job/backlog.ts";
import type { DeadLetters } from "../../job/ports.ts";
import type { SweepRound, SweepRounds } from "../../job/sweep/round.ts";
import { WAIT_REASONS } from "../../job/waits-for.ts";
import { MAX_STATUS_JOBS } from "../../limits.ts";
import { StoreUnavailable } from "../../store.ts";
import { json } from "../answer.ts";
import { route } from "../route.ts";
import { flag, secondsOf, text, unixTime, whole } from "./fields.ts";

export interface StatusDeps {
  readonly liveJobs: LiveJobs;
  readonly deadLetters: Pick<DeadLetters, "count">;
  readonly sweepRounds: Pick<SweepRounds, "last">;
  readonly clock: Clock;
}

/** What is read for it, each apart from the others: a store that throttles may answer some and not all. */
const PARTS = ["counts", "jobs", "dead_letters", "sweeper"] as const;

const seconds = z.int().min(0).describe("Seconds.");
const statusSchema = z
  .object({
    object: z.literal("status"),
    at: unixTime(),
    not_read: z
      .array(z.enum(PARTS))
      .describe(
        "Parts that the store did not give now, and that are null or empty here: `counts` (`queued`, `running`), " +
          "`jobs` (the rest of `backlog`, and `lost_leases`), `dead_letters`, `sweeper`.",
      ),
    backlog: z
      .object({
        queued: whole("Exact: all jobs that wait, those scheduled for later included.").nullable(),
        oldest_wait_seconds: seconds.nullable(),
        exact: flag(
          "False: there are more live jobs than were read, so the rest of this answer is a part only.",
        ),
        jobs_read: whole(`At most ${MAX_STATUS_JOBS}, those first whose time to be looked at comes first.`),
        waiting: z
          .partialRecord(z.enum(WAIT_REASONS), z.int().min(0))
          .describe("Of the jobs read, how many wait for what besides a worker, as a job's `waiting` says."),
        by_tenant_and_model: z
          .array(
            z.object({
              tenant_id: text("Whose jobs."),
              model: text("The model they asked for."),
              waiting: whole("Queued, and may run now."),
              scheduled: whole("Queued, with a `not_before` to come."),
              running: whole("Claimed by a worker."),
              oldest_wait_seconds: seconds.nullable(),
            }),
          )
          .describe("The longest wait first."),
      })
      .describe("What waits, and how long; `by_tenant_and_model` has the longest wait first."),
    running: whole("Exact: jobs that a worker has claimed.").nullable(),
    lost_leases: whole("Running jobs whose lease was not renewed in time, by this host's clock.").nullable(),
    dead_letters: z
      .object({
        kept: whole("All there are."),
        untouched: whole("Neither redriven nor dismissed."),
        newest_at: unixTime().nullable(),
      })
      .nullable()
      .describe("Letters of the last 90 days."),
    sweeper: z
      .object({
        at: unixTime(),
        age_seconds: seconds,
        took_ms: whole("How long the round took."),
        instance: text("Which instance swept."),
        overdue: whole("Jobs found whose time had come.").nullable(),
        nudged: whole("How many of those were nudged.").nullable(),
        lost_leases: whole("Running jobs whose lease it found dead.").nullable(),
        failure: text("Why the round could not be finished.").nullable(),
      })
      .nullable()
      .describe("Its last recorded round; a round in which nothing happens is recorded every 5 s."),
  })
  .meta({ id: "Status", title: "The service's status" });

export const statusRoute = route({
  name: "get-status",
  method: "GET",
  path: "api/ops/status",
  who: "operator",
  summary: "Operators: what waits, runs, was lost and was given up, and when the sweeper last looked",
  answers: { 200: { description: "The status.", schema: statusSchema } },
  handle: async ({ liveJobs, deadLetters, sweepRounds, clock }: StatusDeps) => {
    const notRead: (typeof PARTS)[number][] = [];
    const part = <T>(name: (typeof PARTS)[number], reading: Promise<T>) =>
      reading.catch((thrown: unknown) => {
        if (!(thrown instanceof StoreUnavailable)) throw thrown;
        notRead.push(name);
        return undefined;
      });
    const [counts, jobs, letters, round] = await Promise.all([
      part("counts", liveJobs.count()),
      part("jobs", liveJobs.soonest(MAX_STATUS_JOBS)),
      part("dead_letters", deadLetters.count()),
      part("sweeper", sweepRounds.last()),
    ]);
    const nowMs = clock.now();
    const backlog = backlogOf(jobs ?? [], nowMs);
    const resource: z.input<typeof statusSchema> = {
      object: "status",
      at: secondsOf(nowMs),
      not_read: notRead,
      backlog: {
        queued: counts?.queued ?? null,
        oldest_wait_seconds: backlog.oldestWaitSeconds,
        exact: jobs !== undefined && jobs.length < MAX_STATUS_JOBS,
        jobs_read: jobs?.length ?? 0,
        waiting: backlog.waiting,
        by_tenant_and_model: [...backlog.rows],
      },
      running: counts?.running ?? null,
      lost_leases: jobs === undefined ? null : backlog.lostLeases,
      dead_letters: letters === undefined ? null : lettersOf(letters),
      sweeper: round === undefined ? null : sweeper(round, nowMs),
    };
    return json(200, resource);
  },
});

function lettersOf({ kept, untouched, newestAtMs }: Awaited<ReturnType<DeadLetters["count"]>>) {
  return { kept, untouched, newest_at: newestAtMs === null ? null : secondsOf(newestAtMs) };
}

function sweeper({ at_ms, took_ms, instance, report, failure }: SweepRound, nowMs: number) {
  return {
    at: secondsOf(at_ms),
    age_seconds: Math.max(0, secondsOf(nowMs - at_ms)),
    took_ms,
    instance,
    overdue: report?.overdue ?? null,
    nudged: report?.nudged ?? null,
    lost_leases: report?.lostLeases ?? null,
    failure,
  };
}
