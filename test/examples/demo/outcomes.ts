import type { Job } from "../../../examples/demo/api.ts";
import type { Outcome } from "../../../examples/demo/outcome.ts";
import { type AuditEntry, type AuditRecord, GENESIS_HASH, nextRecord } from "../../../shared/audit/record.ts";

/** A trail as the service writes it. */
export function trail(...entries: AuditEntry[]): AuditRecord[] {
  const records: AuditRecord[] = [];
  let head = { seq: 0, hash: GENESIS_HASH };
  for (const entry of entries) {
    const record = nextRecord(head, "job_1", 1_800_000_000_000, entry);
    records.push(record);
    head = record;
  }
  return records;
}

const usage = { input_tokens: 100, output_tokens: 20, total_tokens: 120 };
const cost = { amount: "0.00036", currency: "USD" };

export function job(more: Partial<Job> = {}): Job {
  return {
    id: "job_1",
    status: "completed",
    model: "gpt-sim",
    deployment: "gpt-sim-local",
    provider: "openai",
    simulated: true,
    attempts: 1,
    usage,
    cost,
    response: { status_code: 200, body: { choices: [{ message: { content: "It is so." } }] } },
    error: null,
    ...more,
  };
}

export function outcome(more: Partial<Outcome> = {}): Outcome {
  return {
    prompt: {
      id: "summarise-pride",
      task: "summarise",
      source: { author: "Jane Austen", work: "Pride and Prejudice", year: 1813 },
      body: { messages: [] },
    },
    lab: "openai",
    job: job(),
    audit: trail(
      { event: "accepted", actor: "team-a/key:c990c1ab" },
      {
        event: "attempt_started",
        actor: "worker:1",
        attempt: 1,
        deployment: "gpt-sim-local",
        provider: "openai",
      },
      {
        event: "completed",
        actor: "worker:1",
        attempt: 1,
        deployment: "gpt-sim-local",
        usage,
        cost,
        latency_ms: 1_500,
      },
    ),
    ...more,
  };
}
