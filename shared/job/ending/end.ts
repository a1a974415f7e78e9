import type { AuditEntry } from "../../audit/record.ts";
import type { Validation } from "../../model/outcome.ts";
import { sha256Hex } from "../../sha256.ts";
import type { TerminalStatus } from "../../status.ts";
import { type Ended, type JobError, type Live, leaseOf, type StoredResponse } from "../job.ts";
import {
  attemptFields,
  type CallFacts,
  callFields,
  type Draft,
  factsOf,
  recorded,
  withCost,
} from "../life-cycle.ts";
import { eventsOf } from "./outbox.ts";

/** How a job ends. `call` when a running attempt's call ended it, `error` for all but completed and cancelled. */
export interface Ending {
  readonly status: TerminalStatus;
  readonly nowMs: number;
  readonly actor: string;
  readonly reason?: string | null;
  readonly call?: CallFacts;
  /** Why its answer is not whole; absent: it is, or there is none. */
  readonly incomplete?: string;
  /** Whether the answer holds its request's schema; absent: it was not asked. */
  readonly validation?: Validation;
  readonly error?: JobError;
  readonly response?: StoredResponse;
}

/** The stored text is not always what came: a refusal that is no JSON, a credential taken out, bytes that are no UTF-8. */
function storedFields(
  { body }: StoredResponse,
  call: CallFacts | undefined,
): Pick<AuditEntry, "stored_sha256"> {
  const sha256 = sha256Hex(body);
  return sha256 === call?.responseSha256 ? {} : { stored_sha256: sha256 };
}

/** A live job ends, once. Whoever ends it, and why ever, does it here. */
export function end(draft: Draft<Live>, ending: Ending): Draft<Ended> {
  const { job } = draft;
  const { status, nowMs, call, error, incomplete, validation, response } = ending;
  const lease = leaseOf(job);
  // Its call may still go on, and what that cost comes late, or never.
  const isCutOff = lease !== null && call === undefined;
  const entry: AuditEntry = {
    event: status,
    actor: ending.actor,
    ...(lease === null ? {} : attemptFields(job.attempts, lease)),
    ...(call === undefined ? {} : callFields(call)),
    ...(response === undefined ? {} : storedFields(response, call)),
    ...(isCutOff ? { cost_unknown: "no_answer" } : {}),
    reason: ending.reason ?? error?.code ?? validation ?? null,
  };
  const ended = recorded(draft, nowMs, entry, {
    ...factsOf(job),
    status,
    completed_at_ms: nowMs,
    error: error ?? null,
    has_response: response !== undefined,
    content_deleted: false,
    usage: call?.usage ?? null,
    ...(isCutOff ? withCost(job, job.attempts, { cost: null, costUnknown: "no_answer" }) : {}),
    ...(call === undefined ? {} : withCost(job, job.attempts, call)),
    ...(incomplete === undefined ? {} : { incomplete }),
    ...(validation === undefined ? {} : { validation }),
  });
  const outbox = eventsOf(ended.job);
  return {
    ...ended,
    ...(response === undefined ? {} : { response }),
    ...(outbox.length === 0 ? {} : { outbox }),
  };
}
