import type { z } from "zod";
import { Problem } from "../../errors.ts";
import { MAX_FAULTS, MAX_OPS_BODY_BYTES } from "../../limits.ts";
import { readJson } from "../json-text.ts";
import { faultsOf, refuseMediaType } from "./envelope.ts";

/**
 * An operator's JSON, checked as strictly as a job's envelope.
 * @throws Problem unsupported_media_type, request_too_large, invalid_json, nesting_too_deep, invalid_request
 */
export function parseOpsBody<T>(
  schema: z.ZodType<T>,
  bytes: Uint8Array,
  headers: { get(name: string): string | null },
): T {
  refuseMediaType(headers.get("content-type"));
  if (bytes.byteLength > MAX_OPS_BODY_BYTES) {
    throw new Problem("request_too_large", `At most ${MAX_OPS_BODY_BYTES} bytes are taken here.`);
  }
  const parsed = schema.safeParse(readJson(bytes).value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.flatMap(faultsOf).slice(0, MAX_FAULTS);
  throw new Problem("invalid_request", "The body is not valid.", { faults });
}
