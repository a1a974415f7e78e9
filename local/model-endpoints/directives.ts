import { type FaultRule, FaultRuleInvalid, readFaultRule } from "./fault.ts";

/**
 * What a prompt can say to the simulation itself, so that a test over HTTP needs no control call:
 *
 * - `[[sim:status=503,times=2]]`: the first two calls of this job get 503, the third one its answer. Also
 *   `[[sim:hang]]`, `[[sim:reset,times=1]]`, `[[sim:status=429,retry_after_ms=1500,times=3]]`,
 *   `[[sim:latency_ms=200]]`, `[[sim:status=500,profile=openai]]`: a fault's name, or fields of a fault rule
 *   (fault.ts), with commas between. Calls are counted by job (the header x-switchyard-job), else by the request's
 *   SHA-256.
 * - `[[content_filter]]`: refused by the filter on prompts. `[[output_filter]]`: the answer is cut by the filter.
 *
 * None of them is part of what the answer is about.
 */
const DIRECTIVE = /\[\[sim:([^\][]{0,400})\]\]/g;
const MARKER = /\[\[(?:sim:[^\][]{0,400}|content_filter|output_filter)\]\]/g;

export function withoutMarkers(text: string): string {
  return text.includes("[[") ? text.replace(MARKER, "").trim() : text;
}

/** @throws FaultRuleInvalid naming the directive: one with a slip of the pen must not pass for none */
export function directivesIn(text: string): FaultRule[] {
  if (!text.includes("[[sim:")) return [];
  return [...text.matchAll(DIRECTIVE)].map(([whole, fields = ""]) => {
    try {
      return readFaultRule(fieldsOf(fields));
    } catch (thrown) {
      if (!(thrown instanceof FaultRuleInvalid)) throw thrown;
      throw new FaultRuleInvalid(`${whole}: ${thrown.message}`, { cause: thrown });
    }
  });
}

function fieldsOf(text: string): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const part of text.split(",")) {
    const [name = "", ...rest] = part.trim().split("=");
    const value = rest.join("=");
    if (rest.length === 0) fields.fault = name;
    else fields[name] = /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
  }
  return fields;
}
