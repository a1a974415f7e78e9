import { type Fault, Problem } from "../../errors.ts";
import {
  DEFAULT_LIST_LIMIT,
  MAX_FAULTS,
  MAX_LIST_LIMIT,
  MAX_MODEL_NAME_CHARS,
  MAX_WAIT_SECONDS,
} from "../../limits.ts";
import { STATUSES, type Status } from "../../status.ts";

/** `job_` and 32 lower-case hex digits, as jobs are given. */
const JOB_ID = /^job_[0-9a-f]{32}$/;

/**
 * A job's id from a path.
 * @throws Problem job_not_found: an id that cannot be one names no job
 */
export function jobIdOf(text: string): string {
  if (JOB_ID.test(text)) return text;
  throw new Problem(
    "job_not_found",
    "There is no such job: a job's id is `job_` and 32 lower-case hex digits.",
  );
}

export interface ListQuery {
  readonly status: Status | undefined;
  readonly model: string | undefined;
  readonly limit: number;
  readonly after: string | undefined;
}

const isStatus = (text: string): text is Status => (STATUSES as readonly string[]).includes(text);

/** By parameter: what is wrong with a value, or undefined. */
export type ParameterChecks = Readonly<Record<string, (value: string) => string | undefined>>;

export const checkLimit = (value: string): string | undefined =>
  /^\d{1,3}$/.test(value) && Number(value) >= 1 && Number(value) <= MAX_LIST_LIMIT
    ? undefined
    : `must be a whole number from 1 to ${MAX_LIST_LIMIT}`;
export const checkJobId = (value: string): string | undefined =>
  JOB_ID.test(value) ? undefined : "must be the id of a job";

/** What may stand in the query of GET /api/jobs, and what is wrong with a value. */
const LIST_PARAMETERS: ParameterChecks = {
  status: (value) => (isStatus(value) ? undefined : `must be one of ${STATUSES.join(", ")}`),
  model: (value) =>
    value !== "" && value.length <= MAX_MODEL_NAME_CHARS
      ? undefined
      : `must have 1 to ${MAX_MODEL_NAME_CHARS} characters`,
  limit: checkLimit,
  after: (value) => (JOB_ID.test(value) ? undefined : "must be the id of a job, as in `last_id`"),
};

/** @throws Problem invalid_request, with every fault */
export function checkQuery(query: URLSearchParams, parameters: ParameterChecks): void {
  const faults: Fault[] = [];
  for (const name of new Set(query.keys())) {
    const check = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    const values = query.getAll(name);
    const message =
      check === undefined
        ? "is not a parameter of this route"
        : values.length > 1
          ? "is there more than once"
          : check(values[0] ?? "");
    if (message !== undefined) faults.push({ path: name.slice(0, MAX_MODEL_NAME_CHARS), message });
  }
  if (faults.length > 0) {
    const told = faults.slice(0, MAX_FAULTS);
    throw new Problem("invalid_request", "The query is not valid.", { faults: told });
  }
}

/** @throws Problem invalid_request, with every fault */
export function listQuery(query: URLSearchParams): ListQuery {
  checkQuery(query, LIST_PARAMETERS);
  return {
    status: (query.get("status") as Status | null) ?? undefined,
    model: query.get("model") ?? undefined,
    limit: Number(query.get("limit") ?? DEFAULT_LIST_LIMIT),
    after: query.get("after") ?? undefined,
  };
}

/** `Prefer: wait=N` (RFC 7240), bounded; a preference that cannot be read is none, as the RFC says. */
export function waitSeconds(prefer: string | null): number {
  for (const preference of (prefer ?? "").split(",")) {
    const wait = /^\s*wait\s*=\s*"?(\d{1,6})"?\s*(?:;.*)?$/i.exec(preference)?.[1];
    if (wait !== undefined) return Math.min(Number(wait), MAX_WAIT_SECONDS);
  }
  return 0;
}
