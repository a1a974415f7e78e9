import { sha256Hex } from "../sha256.ts";
import { isTerminal } from "./chain.ts";
import type { JobFigures } from "./figures.ts";
import type { AuditRecord } from "./record.ts";

/** A job's request and response as they are stored; undefined: not there. */
export interface StoredContent {
  readonly request: string | undefined;
  readonly response: string | undefined;
}

export interface ContentDeps {
  /**
   * What may be sent to a deployment for a stored request, whole or as a stream, by the catalogue of now; undefined: it
   * does not have that one.
   */
  readonly sentSha256: (deployment: string, body: string) => readonly string[] | undefined;
  /** Of trails of format 1, which do not say it. */
  readonly contentDays: number;
}

type Job = Pick<JobFigures, "status" | "has_response"> & { readonly deadline_ms: number };

/** Content goes a little before or after its moment. */
const SLACK_SECONDS = 2;
/** How a text is marked that is not what came, byte for byte; trails of format 1 have the hash of what came alone. */
const CHANGED = /\ufffd|\[credential\]/;
const CUT_CHARS = 1_000_000;

/**
 * The first record that stored content does not fit: a request that is not the one that was accepted, a response that
 * is not the one that the job's end is about, or one of them gone before its time.
 * @returns also how many attempts sent what the catalogue of now would not make of the stored request
 */
export function contentFault(
  deps: ContentDeps,
  job: Job,
  trail: readonly AuditRecord[],
  { request, response }: StoredContent,
  nowMs: number,
): { readonly fault: { seq: number; why: string } | undefined; readonly unlike: number } {
  const [accepted] = trail;
  const end = trail.find(isTerminal);
  const fault = (of: AuditRecord | undefined, why: string) => ({
    fault: { seq: of?.seq ?? 1, why },
    unlike: 0,
  });
  const erased = trail.find(({ event }) => event === "content_deleted");
  if (erased !== undefined)
    return request === undefined && response === undefined
      ? { fault: undefined, unlike: 0 }
      : fault(erased, "the erased content is still stored");
  const until = accepted?.content_until ?? job.deadline_ms / 1000 + deps.contentDays * 86_400;
  const isKept = nowMs / 1000 < until - SLACK_SECONDS;
  if (request === undefined && isKept) return fault(accepted, "the stored request is gone");
  if (response === undefined && job.has_response && isKept) return fault(end, "the stored response is gone");
  if (response !== undefined && (end === undefined || !isOf(end, response, accepted?.format)))
    return fault(end, "the stored response is not the one that this record has the hash of");
  if (request === undefined) return { fault: undefined, unlike: 0 };
  if (accepted?.body_sha256 !== undefined && accepted.body_sha256 !== sha256Hex(request))
    return fault(accepted, "the stored request is not the one that this record has the hash of");
  const unlike = trail.filter(({ event, deployment, request_sha256 }) => {
    if (event !== "attempt_started" || deployment === null || request_sha256 === null) return false;
    return deps.sentSha256(deployment, request)?.includes(request_sha256) === false;
  });
  // Format 1 has the hash of what was sent alone.
  if (accepted?.format === undefined && unlike[0] !== undefined)
    return fault(unlike[0], "the stored request does not give, with the catalogue of now, what was sent");
  return { fault: undefined, unlike: unlike.length };
}

function isOf(end: AuditRecord, response: string, format: number | undefined): boolean {
  const stored = end.stored_sha256 ?? end.response_sha256;
  if (stored === sha256Hex(response)) return true;
  if (format !== undefined) return false;
  if (CHANGED.test(response) || response.length >= CUT_CHARS) return true;
  // A refusal that was no JSON is kept as a JSON string.
  return response.startsWith('"') && sha256Hex(String(JSON.parse(response))) === stored;
}
