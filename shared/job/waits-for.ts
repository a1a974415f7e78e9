import type { ParkedJob } from "../quota/ports.ts";
import { lineSinceMs, placeOf } from "../quota/turns/line.ts";
import type { Job, Queued } from "./job.ts";

/** A job in a line, as the dispatcher knows it; undefined: it is in none. */
export function inLine(job: Queued): ParkedJob | undefined {
  const { tenant_id, job_id, priority, deadline_ms, waiting } = job;
  if (waiting?.for !== "quota") return undefined;
  const { tokens, deployments, since_ms: parked_ms } = waiting;
  const placed = {
    tenant_id,
    job_id,
    priority,
    deadline_ms,
    tokens,
    deployments,
    since_ms: lineSinceMs(job),
  };
  return { ...placed, parked_ms, place: placeOf(placed) };
}

/** What a job waits for, in a client's words. */
export type WaitsFor =
  | "scheduled"
  | "back_off"
  | "quota"
  | "deployment_failing"
  | "concurrency"
  | "switched_off"
  | "budget";

/** Null: for nothing but a worker, or it waits no more. */
export function waitsFor(job: Job, nowMs: number): WaitsFor | null {
  if (job.status !== "queued") return null;
  const { waiting, not_before_ms } = job;
  if (not_before_ms !== null && not_before_ms > nowMs) return "scheduled";
  switch (waiting?.for) {
    case undefined:
      return null;
    case "time":
      return waiting.until_ms > nowMs ? "back_off" : null;
    case "switch":
      return "switched_off";
    case "budget":
      return "budget";
    case "quota":
      return waiting.cause === "deployment_failing" || waiting.cause === "concurrency"
        ? waiting.cause
        : "quota";
  }
}
