import type { Endpoint, Validate } from "../../job/job.ts";
import { schemaFault, schemaOf } from "../../validation/schema.ts";
import { invalidRequest } from "../input.ts";

/** Whether a call's answer is to be checked. @throws Problem where it asks for that and for no schema to check against */
export function validateAsked(
  header: "true" | "false" | undefined,
  endpoint: Endpoint,
  body: unknown,
): Validate | undefined {
  if (header !== "true") return undefined;
  const fault = schemaFault(schemaOf(endpoint, body));
  if (fault !== undefined) throw invalidRequest([{ path: "x-switchyard-validate", message: fault }]);
  return "retry";
}
