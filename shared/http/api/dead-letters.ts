import { Problem } from "../../errors.ts";
import type { RedriveResult } from "../../job/letters/redrive.ts";
import type { DeadLetter, DeadLetterFilter } from "../../job/ports.ts";
import { DEFAULT_LIST_LIMIT } from "../../limits.ts";
import type { Status } from "../../status.ts";
import { checkJobId, checkLimit, checkQuery, type ParameterChecks } from "./parameters.ts";

/** `dl_` and 32 hex digits. */
const LETTER_ID = /^dl_[0-9a-f]{32}$/;

/** @throws Problem dead_letter_not_found: an id that cannot be one names no letter */
export function deadLetterIdOf(text: string): string {
  if (LETTER_ID.test(text)) return text;
  throw new Problem(
    "dead_letter_not_found",
    "There is no such dead letter: an id is `dl_` and 32 hex digits.",
  );
}

const PARAMETERS: ParameterChecks = {
  tenant_id: (value) => (/^[\w.-]{1,64}$/.test(value) ? undefined : "must be the id of a tenant"),
  job_id: checkJobId,
  redriven: (value) => (/^(true|false)$/.test(value) ? undefined : "must be true or false"),
  limit: checkLimit,
  after: (value) => (LETTER_ID.test(value) ? undefined : "must be the id of a letter, as in `last_id`"),
};

export interface DeadLetterQuery extends Omit<DeadLetterFilter, "after"> {
  readonly after: string | undefined;
}

/** The query of GET /api/ops/dead-letters. @throws Problem invalid_request, with every fault */
export function deadLetterQuery(query: URLSearchParams): DeadLetterQuery {
  checkQuery(query, PARAMETERS);
  const redriven = query.get("redriven");
  return {
    tenantId: query.get("tenant_id") ?? undefined,
    jobId: query.get("job_id") ?? undefined,
    redriven: redriven === null ? undefined : redriven === "true",
    limit: Number(query.get("limit") ?? DEFAULT_LIST_LIMIT),
    after: query.get("after") ?? undefined,
  };
}

/** A letter as an operator sees it. @param status of its job, now; null when there is none */
export function deadLetterResource(letter: DeadLetter, status: Status | null) {
  const { nudge, redriven } = letter;
  return {
    id: letter.id,
    object: "dead_letter",
    at: Math.floor(letter.at_ms / 1000),
    reason: letter.reason,
    description: letter.description,
    message_id: letter.message_id,
    readable: nudge !== null,
    tenant_id: nudge?.tenant_id ?? null,
    job_id: nudge?.job_id ?? null,
    job_status: status,
    redriven:
      redriven === undefined
        ? null
        : {
            at: Math.floor(redriven.at_ms / 1000),
            actor: redriven.actor,
            outcome: redriven.outcome,
            job_id: redriven.job_id,
          },
  };
}

export function redriveResource(letterId: string, result: RedriveResult) {
  const { redriven, tenantId, redrivenFrom, nudged } = result;
  return {
    object: "redrive",
    dead_letter: letterId,
    at: Math.floor(redriven.at_ms / 1000),
    actor: redriven.actor,
    outcome: redriven.outcome,
    tenant_id: tenantId,
    job_id: redriven.job_id,
    redriven_from: redrivenFrom,
    nudged,
  };
}
