import type { AuditRecord, Job } from "./api.ts";
import { faultInChain } from "./audit-chain.ts";
import type { Prompt } from "./prompts.ts";

/** One prompt's job at one lab, as it ended. */
export interface Outcome {
  readonly prompt: Prompt;
  readonly lab: string;
  readonly job: Job;
  readonly audit: readonly AuditRecord[];
}

/** What kept the demo from succeeding; none: every job completed, was simulated, and its trail holds. */
export function faultsOf(outcomes: readonly Outcome[]): string[] {
  return outcomes.flatMap(({ prompt, lab, job, audit }) => {
    const name = `${prompt.id} at ${lab} (${job.id})`;
    if (job.status !== "completed") {
      const why = job.error === null ? "" : `: ${job.error.code}: ${job.error.message}`;
      return [`${name} is ${job.status}${why}`];
    }
    const faults: string[] = [];
    if (job.simulated !== true) faults.push(`${name} is not marked as simulated`);
    if (job.provider !== lab) faults.push(`${name} was answered by ${job.provider}`);
    if (answerOf(job) === "") faults.push(`${name} has an empty answer`);
    const chainFault = faultInChain(audit);
    if (chainFault !== undefined) faults.push(`the audit trail of ${name} does not hold: ${chainFault}`);
    return faults;
  });
}

/** The text of a chat completion; empty where there is none. */
export function answerOf(job: Job): string {
  const body = job.response?.body as { choices?: { message?: { content?: unknown } }[] } | null | undefined;
  const content = body?.choices?.[0]?.message?.content;
  return typeof content === "string" ? content : "";
}

/** How long the call took that gave the answer, by the audit trail. */
export function latencyOf(audit: readonly AuditRecord[]): number | undefined {
  return audit.findLast((record) => record.event === "completed")?.latency_ms ?? undefined;
}
