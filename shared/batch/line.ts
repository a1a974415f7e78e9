import { z } from "zod";
import { Problem } from "../errors.ts";
import { modelRefusal } from "../job/intake/admission.ts";
import type { Catalogue } from "../model/catalogue.ts";
import type { Tenant } from "../tenant/tenants.ts";
import { schemaFault, schemaOf } from "../validation/schema.ts";
import type { Batch, BatchFault } from "./batch.ts";
import type { InputLine } from "./lines.ts";

/** A JSON text as the doors read it. @throws Problem */
export type ReadText = (
  bytes: Uint8Array,
  what?: string,
) => {
  readonly value: unknown;
  readonly bodyText: string | undefined;
};

/** A line that can be run. */
export interface BatchLine {
  readonly custom_id: string;
  readonly model: string;
  readonly body: object;
  /** The JSON text of its `body`, as it was sent. */
  readonly bodyText: string;
}

export interface LineDeps {
  readonly readText: ReadText;
  readonly catalogue: () => Catalogue;
}

export interface LineOf extends Pick<Batch, "endpoint" | "validate"> {
  readonly tenant: Tenant;
}

const MAX_CUSTOM_ID_CHARS = 512;
const lineSchema = z.looseObject({
  custom_id: z.string("must be a string").min(1, "must not be empty").max(MAX_CUSTOM_ID_CHARS, "is too long"),
  method: z.literal("POST", "must be POST"),
  url: z.string("must be a string"),
  body: z.looseObject(
    { model: z.string("must name a model").min(1, "must name a model") },
    "must be an object",
  ),
});

/** With or without `/v1`, as Azure takes it. */
export const endpointOf = (url: string): string =>
  url.startsWith("/v1/") ? url : `/v1${url.startsWith("/") ? "" : "/"}${url}`;

/** `true`, 1 and more are taken for true by some servers. */
const isAsked = (mode: unknown) => mode !== undefined && mode !== null && mode !== false;

/** The line, or all that is wrong with it alone. */
export function readLine(
  deps: LineDeps,
  { bytes, line }: Pick<InputLine, "bytes" | "line">,
  { endpoint, validate, tenant }: LineOf,
): BatchLine | BatchFault[] {
  const fault = (code: string, message: string, param: string | null = null): BatchFault => ({
    ...{ code, message, param, line },
  });
  if (bytes === undefined) return [fault("invalid_request", "The line is larger than a request may be.")];
  let read: ReturnType<ReadText>;
  try {
    read = deps.readText(bytes, "line");
  } catch (thrown) {
    if (!(thrown instanceof Problem)) throw thrown;
    const words = thrown.faults.map(({ path, message }) => `${path} ${message}`).join("; ");
    const code = thrown.code === "invalid_json" ? "invalid_json_line" : "invalid_request";
    return [fault(code, words === "" ? thrown.message : words)];
  }
  const parsed = lineSchema.safeParse(read.value);
  if (!parsed.success)
    return parsed.error.issues.map(({ path, message }) =>
      fault("invalid_request", `${path.join(".") || "The line"} ${message}.`, path.join(".") || null),
    );
  const { custom_id, url, body } = parsed.data;
  const { model, stream, background } = body;
  if (endpointOf(url) !== endpoint)
    return [fault("url_mismatch", `url is ${url.slice(0, 100)}, the batch's endpoint ${endpoint}.`, "url")];
  const faults = [
    ...(isAsked(stream) ? [fault("invalid_request", "A line cannot stream.", "body.stream")] : []),
    ...(isAsked(background)
      ? [fault("invalid_request", "Every line runs in the background.", "body.background")]
      : []),
  ];
  const unchecked = validate === true ? schemaFault(schemaOf(endpoint, body)) : undefined;
  if (unchecked !== undefined)
    faults.push(fault("invalid_request", `The answer cannot be checked: ${unchecked}.`, "body"));
  const refusal = modelRefusal(deps.catalogue(), tenant, { endpoint, model, body });
  if (refusal !== undefined) {
    const isModel = refusal.code === "model_not_found" || refusal.code === "model_not_allowed";
    faults.push(fault(isModel ? "model_not_found" : "invalid_request", refusal.message, "body.model"));
  }
  if (faults.length > 0) return faults;
  return { custom_id, model, body, bodyText: read.bodyText ?? JSON.stringify(body) };
}
