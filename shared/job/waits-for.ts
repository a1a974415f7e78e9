import { isIllness } from "../model/wait-cause.ts";
import type { JobInLine } from "../quota/ports.ts";
import { lineSinceMs, placeOf } from "../quota/turns/line.ts";
import type { Queued } from "./job.ts";

/** A job in a line, as the dispatcher knows it; undefined: it is in none. */
export function inLine(job: Queued): JobInLine | undefined {
  const { tenant_id, job_id, priority, deadline_ms, waiting } = job;
  if (waiting?.for !== "quota") return undefined;
  const { tokens, deployments, since_ms: joined_ms } = waiting;
  const placed = {
    tenant_id,
    job_id,
    priority,
    deadline_ms,
    tokens,
    deployments,
    since_ms: lineSinceMs(job),
  };
  return { ...placed, joined_ms, place: placeOf(placed) };
}

/** Why a job waits, in a client's words. */
export const WAIT_REASONS = [
  "quota",
  "deployment_failing",
  "credential_refused",
  "account_empty",
  "concurrency",
  "budget",
  "switched_off",
  "scheduled",
  "back_off",
] as const;
export type WaitReason = (typeof WAIT_REASONS)[number];

/** How a job waits. Times in Unix ms. */
export interface Wait {
  readonly reason: WaitReason;
  /** That it waits for, the preferred one of several; null: it waits for no deployment. */
  readonly deployment: string | null;
  readonly since_ms: number;
  /** Null: nobody can say. */
  readonly until_ms: number | null;
}

type Waits = Pick<Queued, "created_at_ms" | "not_before_ms" | "waiting">;

/** Null: for nothing but a worker. */
export function waitOf({ created_at_ms, not_before_ms, waiting }: Waits, nowMs: number): Wait | null {
  if (not_before_ms !== null && not_before_ms > nowMs)
    return { reason: "scheduled", deployment: null, since_ms: created_at_ms, until_ms: not_before_ms };
  if (waiting === null) return null;
  const since_ms = waiting.since_ms ?? created_at_ms;
  switch (waiting.for) {
    case "time":
      if (waiting.until_ms <= nowMs) return null;
      return { reason: "back_off", deployment: null, since_ms, until_ms: waiting.until_ms };
    case "deployment": {
      const { cause: reason, deployment, until_ms } = waiting;
      return { reason, deployment, since_ms, until_ms: Math.max(until_ms, nowMs) };
    }
    case "switch":
      return { reason: "switched_off", deployment: null, since_ms, until_ms: null };
    case "budget":
      return { reason: "budget", deployment: null, since_ms, until_ms: waiting.until_ms };
    case "quota": {
      const { cause = "quota", deployments } = waiting;
      const reason = isIllness(cause) || cause === "concurrency" ? cause : "quota";
      return { reason, deployment: deployments[0] ?? null, since_ms, until_ms: null };
    }
  }
}
