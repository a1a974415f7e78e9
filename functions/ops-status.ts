import type { Clock } from "../shared/clock.ts";
import { statusResource } from "../shared/http/api/status-resource.ts";
import type { Authenticator } from "../shared/http/authenticate.ts";
import type { LiveJobs } from "../shared/job/backlog.ts";
import type { DeadLetters } from "../shared/job/ports.ts";
import type { SweepRounds } from "../shared/job/sweep/round.ts";
import { MAX_STATUS_JOBS } from "../shared/limits.ts";
import { operatorRoute } from "./http.ts";

/** GET /api/ops/status: what waits, runs, was lost and was given up, and when the sweeper last looked */
export function registerOpsStatus(deps: {
  readonly authenticator: Authenticator;
  readonly liveJobs: LiveJobs;
  readonly deadLetters: Pick<DeadLetters, "count">;
  readonly rounds: Pick<SweepRounds, "last">;
  readonly clock: Clock;
}): void {
  const options = { name: "ops-status", method: "GET", route: "ops/status" } as const;
  operatorRoute(deps.authenticator, options, async () => {
    const [counts, jobs, deadLetters, round] = await Promise.all([
      deps.liveJobs.count(),
      deps.liveJobs.soonest(MAX_STATUS_JOBS),
      deps.deadLetters.count(),
      deps.rounds.last(),
    ]);
    const facts = { counts, jobs, deadLetters, round, limit: MAX_STATUS_JOBS, nowMs: deps.clock.now() };
    return { status: 200, jsonBody: statusResource(facts), headers: { "cache-control": "no-store" } };
  });
}
