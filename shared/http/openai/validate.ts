import { z } from "zod";
import type { Endpoint, Validate } from "../../job/job.ts";
import { schemaFault, schemaOf } from "../../validation/schema.ts";
import { invalidRequest } from "../input.ts";

/** The header by which a request asks for that. */
export const validateHeader = z.enum(["true", "false"], "must be true or false").optional();

/** Whether a call's answer is to be checked. @throws Problem where it asks for that and for no schema to check against */
export function validateAsked(
  header: z.output<typeof validateHeader>,
  endpoint: Endpoint,
  body: unknown,
): Validate | undefined {
  if (header !== "true") return undefined;
  const fault = schemaFault(schemaOf(endpoint, body));
  if (fault !== undefined) throw invalidRequest([{ path: "x-switchyard-validate", message: fault }]);
  return "retry";
}
