import { type Container, CosmosClient, type JSONObject, type OperationInput } from "@azure/cosmos";
/** The local stack's well-known key. */
import { EMULATOR_KEY } from "../local/cosmos/authorization.ts";
import { nextRecord } from "../shared/audit/record.ts";
import { DATABASE, JOBS_CONTAINER } from "../shared/azure/cosmos/client.ts";
import { documentOf } from "../shared/azure/cosmos/job-document.ts";
import { keySigner } from "../shared/azure/cosmos/key.ts";
import { undiciHttpClient } from "../shared/azure/cosmos/undici-http-client.ts";
import { acceptJob } from "../shared/job/intake/accept.ts";
import { sha256Hex } from "../shared/sha256.ts";
import { STORED_VERSION } from "../shared/store.ts";
import { timed } from "./measure.ts";
import type { Stack } from "./stack.ts";

const WRITES_IN_FLIGHT = 32;
const DAY_MS = 86_400_000;

/**
 * Puts ended jobs into a stack's store, each with all its items: job, request, response, three audit records. In one
 * batch a job through the SDK.
 */
export async function storeEndedJobs(stack: Stack, count: number): Promise<void> {
  const endpoint = `http://127.0.0.1:${stack.emulators().cosmos_port}/`;
  const { httpClient, close } = undiciHttpClient();
  const client = new CosmosClient({ endpoint, tokenProvider: keySigner(EMULATOR_KEY), httpClient });
  await storeJobs(client.database(DATABASE).container(JOBS_CONTAINER), count, (n) => itemsOf(n));
  client.dispose();
  await close();
}

/** Each job's items in one batch. */
export async function storeJobs(jobs: Container, count: number, of: (n: number) => Item[]): Promise<void> {
  await timed(count, WRITES_IN_FLIGHT, async (n) => {
    const items = of(n);
    const operations = items.map((item): OperationInput => {
      const resourceBody = item as unknown as JSONObject;
      return { operationType: "Create", resourceBody };
    });
    const { tenant_id, job_id } = items[0] as Item;
    const { code } = await jobs.items.batch(operations, [tenant_id, job_id], {
      contentResponseOnWriteEnabled: false,
    });
    if (code !== 200) throw new Error(`a job could not be stored: ${code}`);
  });
}

export interface Item {
  readonly id: string;
  readonly tenant_id: string;
  readonly job_id: string;
  readonly ttl?: number;
}

/** Half of them the load client's tenant's, unless told whose. */
export function itemsOf(n: number, tenantId = n % 2 === 0 ? "team-a" : "team-b"): Item[] {
  const nowMs = Date.now() - DAY_MS + n;
  const { job, request, records } = acceptJob(
    {
      endpoint: "/v1/chat/completions",
      model: "gpt-sim",
      bodyText: `{"model":"gpt-sim","messages":[{"role":"user","content":"Say the number ${n}."}]}`,
      priority: "standard",
      metadata: {},
      notBeforeMs: null,
      deadlineMs: nowMs + DAY_MS * 2,
      envelopeSha256: sha256Hex(String(n)),
    },
    {
      ...{
        tenantId,
        nowMs,
        actor: `${tenantId}/key:00000000`,
        nudgeGraceMs: 10_000,
        retention: { contentDays: 30, auditDays: 0 },
      },
      jobId: `job_${sha256Hex(`stored ${n}`).slice(0, 32)}`,
    },
  );
  const body = JSON.stringify({ id: "c", choices: [{ message: { role: "assistant", content: `${n}` } }] });
  const call = { actor: "worker:0", attempt: 1, deployment: "gpt-sim", provider: "openai", simulated: true };
  const accepted = records[0];
  if (accepted === undefined) throw new TypeError("an accepted job has a record");
  const started = nextRecord(accepted, job.job_id, nowMs, { event: "attempt_started", ...call });
  const completed = nextRecord(started, job.job_id, nowMs, {
    event: "completed",
    outcome: "completed",
    ...call,
  });
  const ended = {
    ...{ ...documentOf(job), status: "completed", wake_at_ms: null, attempts: 1, attempts_spent: 1 },
    ...{ started_at_ms: nowMs, completed_at_ms: nowMs, deployment: "gpt-sim", provider: "openai" },
    ...{ simulated: true, has_response: true, audit_seq: completed.seq, audit_hash: completed.hash },
    first_records: [accepted, started, completed],
  };
  const key = { v: STORED_VERSION, tenant_id: tenantId, job_id: job.job_id };
  const response = { kind: "response", ...key, status_code: 200, request_id: `r-${n}`, body };
  const ttl = 30 * 86_400;
  return [
    { id: "job", ...ended, ttl },
    { ...{ id: "request", kind: "request", ...key }, ...request, ttl },
    { id: "response", ...response, ttl },
  ];
}
