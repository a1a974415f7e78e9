import type { Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import type { JobKey } from "../../store.ts";
import { nudgeStored } from "../nudge.ts";
import type { Nudge, Nudges } from "../ports.ts";

/** A process that is told to end takes no more messages soon; until then it may be itself that takes this one. */
const ELSEWHERE_MS = 200;

interface HandBackDeps {
  readonly urgent: Pick<Nudges, "send">;
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
}

/** Nudges a job whose call was aborted because this process ends. One that cannot be sent now the sweeper sends later. */
export async function handBack(deps: HandBackDeps, job: JobKey): Promise<void> {
  const due = { atMs: deps.clock.now() + ELSEWHERE_MS, isClientWaiting: false };
  await nudgeStored({ ...deps, nudges: deps.urgent }, job, due);
}

/**
 * A message that comes while this process ends is sent anew. Given back it would come again at once, perhaps to the same
 * process, and count as a delivery that failed. @throws what Service Bus says: then it is given back after all
 */
export async function leaveToOthers(deps: HandBackDeps, nudge: Nudge): Promise<void> {
  await deps.urgent.send(nudge, { atMs: deps.clock.now() + ELSEWHERE_MS });
}
