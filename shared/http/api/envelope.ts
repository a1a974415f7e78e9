import canonicalize from "canonicalize";
import { z } from "zod";
import { type Fault, Problem } from "../../errors.ts";
import type { Submission } from "../../job/intake/accept.ts";
import { ENDPOINTS } from "../../job/job.ts";
import {
  MAX_FAULTS,
  MAX_IDEMPOTENCY_KEY_CHARS,
  MAX_METADATA_KEY_CHARS,
  MAX_METADATA_PAIRS,
  MAX_METADATA_VALUE_CHARS,
  MAX_MODEL_NAME_CHARS,
  MAX_REQUEST_BYTES,
} from "../../limits.ts";
import { PRIORITIES } from "../../priority.ts";
import { sha256Hex } from "../../sha256.ts";
import { jsonPointer } from "../json-pointer.ts";
import { readJson } from "../json-text.ts";

/** Unix seconds as such: a number this large was meant in milliseconds. */
const MAX_UNIX_SECONDS = 1e11;
const unixSeconds = z
  .number()
  .nonnegative()
  .max(MAX_UNIX_SECONDS, "is not in Unix seconds: it looks like milliseconds");

/** What POST /api/jobs takes; the OpenAPI document is made from it too. */
export const envelopeSchema = z.strictObject({
  endpoint: z.enum(ENDPOINTS).default("/v1/chat/completions").describe("The OpenAI endpoint `body` is for."),
  body: z
    .looseObject({
      model: z.string().min(1).max(MAX_MODEL_NAME_CHARS).describe("A model or route of GET /api/models."),
    })
    .describe("The OpenAI request, stored and sent as received; `model` names a model of GET /api/models."),
  priority: z
    .enum(PRIORITIES)
    .default("standard")
    .describe("Among the tenant's own jobs, when they wait for quota."),
  not_before: unixSeconds.optional().describe("Unix seconds; the job is not run earlier."),
  deadline: unixSeconds.optional().describe("Unix seconds; a job that has not ended by then expires."),
  metadata: z
    .record(z.string().min(1).max(MAX_METADATA_KEY_CHARS), z.string().max(MAX_METADATA_VALUE_CHARS))
    .refine(
      (pairs) => Object.keys(pairs).length <= MAX_METADATA_PAIRS,
      `has over ${MAX_METADATA_PAIRS} pairs`,
    )
    .default({})
    .describe(`At most ${MAX_METADATA_PAIRS} pairs of strings, given back with the job.`),
});

export interface ParsedSubmit extends Omit<Submission, "deadlineMs"> {
  /** The parsed `body`, to look into; `bodyText` is what is stored and sent. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly deadlineMs: number | null;
  readonly idempotencyKey: string | null;
  /** Its times do not fit the time now: a job that this very submit made before is still its answer. */
  readonly refusal: Problem | undefined;
}

interface Headers {
  get(name: string): string | null;
}

/**
 * @param bytes the HTTP body
 * @throws Problem unsupported_media_type, request_too_large, invalid_json, nesting_too_deep, invalid_request,
 *   stream_not_supported
 */
export function parseSubmit(
  bytes: Uint8Array,
  headers: Headers,
  nowMs: number,
  limits: { readonly maxDeadlineSeconds: number },
): ParsedSubmit {
  refuseMediaType(headers.get("content-type"));
  if (bytes.byteLength > MAX_REQUEST_BYTES) {
    const detail = `The request has ${bytes.byteLength} bytes; at most ${MAX_REQUEST_BYTES} are taken.`;
    throw new Problem("request_too_large", detail);
  }
  const { value, bodyText } = readJson(bytes);
  const idempotencyKey = headers.get("idempotency-key");
  const parsed = envelopeSchema.safeParse(value);
  const faults = parsed.success ? [] : parsed.error.issues.flatMap(faultsOf);
  const keyFault = idempotencyKeyFault(idempotencyKey);
  if (keyFault !== undefined) faults.push(keyFault);
  const late = parsed.success ? timeFaults(parsed.data, nowMs, limits.maxDeadlineSeconds) : [];
  if (!parsed.success || bodyText === undefined || faults.length > 0) throw invalid([...faults, ...late]);
  const { endpoint, body, priority, not_before, deadline, metadata } = parsed.data;
  refuseModes(body);
  return {
    endpoint,
    model: body.model,
    bodyText,
    body,
    priority,
    metadata,
    notBeforeMs: not_before === undefined ? null : Math.round(not_before * 1000),
    deadlineMs: deadline === undefined ? null : Math.round(deadline * 1000),
    // Of the envelope as it was sent, before defaults: a client that sends the same has the same hash.
    envelopeSha256: sha256Hex(canonicalize(value) ?? ""),
    idempotencyKey,
    refusal: late.length > 0 ? invalid(late) : undefined,
  };
}

function invalid(faults: readonly Fault[]): Problem {
  const detail = faults.length === 1 ? "One fault was found." : `${faults.length} faults were found.`;
  return new Problem("invalid_request", detail, { faults: faults.slice(0, MAX_FAULTS) });
}

export function refuseMediaType(contentType: string | null): void {
  const [type = "", ...parameters] = (contentType ?? "").toLowerCase().split(";");
  const charset = parameters.map((p) => p.trim()).find((p) => p.startsWith("charset="));
  const utf8 = charset === undefined || /^charset="?utf-?8"?$/.test(charset);
  if (type.trim() === "application/json" && utf8) return;
  const said = contentType === null ? "No content type was sent" : "The content type is another one";
  throw new Problem("unsupported_media_type", `${said}: send application/json in UTF-8.`);
}

/** Unknown fields are named one by one; everything else is one fault at its path. */
export function faultsOf(issue: z.core.$ZodIssue): Fault[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      path: jsonPointer([...issue.path, key]),
      message: "is not a field of the envelope",
    }));
  }
  return [{ path: jsonPointer(issue.path), message: issue.message }];
}

/** RFC 9110 lets a header hold spaces between visible characters. */
const VISIBLE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

function idempotencyKeyFault(key: string | null): Fault | undefined {
  if (key === null || (key.length <= MAX_IDEMPOTENCY_KEY_CHARS && VISIBLE.test(key))) return undefined;
  return {
    path: "Idempotency-Key",
    message: `must have 1 to ${MAX_IDEMPOTENCY_KEY_CHARS} visible ASCII characters`,
  };
}

function timeFaults(
  envelope: { not_before?: number | undefined; deadline?: number | undefined },
  nowMs: number,
  maxDeadlineSeconds: number,
): Fault[] {
  const { not_before: notBefore, deadline } = envelope;
  const nowSeconds = nowMs / 1000;
  const faults: Fault[] = [];
  if (deadline !== undefined && deadline <= nowSeconds)
    faults.push({ path: "/deadline", message: "is in the past" });
  if (deadline !== undefined && deadline > nowSeconds + maxDeadlineSeconds) {
    faults.push({ path: "/deadline", message: `is over ${maxDeadlineSeconds} seconds from now` });
  }
  if (notBefore !== undefined && notBefore >= (deadline ?? nowSeconds + maxDeadlineSeconds)) {
    const limit = deadline === undefined ? "the latest deadline there can be" : "the deadline";
    faults.push({ path: "/not_before", message: `is not before ${limit}` });
  }
  return faults;
}

/** Modes of a call that a stored answer cannot serve. */
function refuseModes(body: Readonly<Record<string, unknown>>): void {
  if (body.stream === true) throw new Problem("stream_not_supported", "`/body/stream` is true.");
  if (body.background === true) {
    throw new Problem("invalid_request", "One fault was found.", {
      faults: [{ path: "/body/background", message: "is true: every job runs in the background already" }],
    });
  }
}
