import type { Tenant } from "../tenant/tenants.ts";
import type { Capability, Deployment } from "./catalogue.ts";
import type { Endpoint } from "./endpoint.ts";

export type { Capability } from "./catalogue.ts";

export interface ChoiceInput {
  /** In the order they are tried; none when the model is not in the catalogue. */
  readonly targets: readonly Deployment[];
  readonly endpoint: Endpoint;
  readonly asked: ReadonlySet<Capability>;
  readonly tenant: Pick<Tenant, "allow_models" | "deny_providers">;
  readonly model: string;
  /** Deployments that turned the job away for good. */
  readonly refusedBy: readonly string[];
  /** Deployments that failed since the last back-off: others come first. */
  readonly tried: readonly string[];
  /** Until when a deployment has asked not to be called, if it has. */
  readonly coolingUntilMs: (deployment: string) => number | undefined;
  readonly nowMs: number;
}

export type Choice =
  | { readonly kind: "call"; readonly deployment: Deployment }
  /** Every deployment that could serve it has asked not to be called until some time; this is the earliest. */
  | { readonly kind: "wait"; readonly untilMs: number; readonly reason: "rate_limited" }
  | { readonly kind: "none"; readonly reason: NoChoice };

export type NoChoice =
  | "model_not_found"
  | "model_not_allowed"
  | "endpoint_not_supported"
  | "capability_not_supported"
  | "all_refused";

/** Which deployment serves a request: the first, in the route's order, that may, can, and is not asked to be spared. */
export function chooseDeployment(input: ChoiceInput): Choice {
  const { targets, tenant, model, asked } = input;
  if (targets.length === 0) return { kind: "none", reason: "model_not_found" };
  if (!mayUse(tenant.allow_models, model)) return { kind: "none", reason: "model_not_allowed" };
  const allowed = targets.filter((d) => !tenant.deny_providers.includes(d.provider));
  if (allowed.length === 0) return { kind: "none", reason: "model_not_allowed" };
  const serving = allowed.filter((d) => d.endpoints.includes(input.endpoint));
  if (serving.length === 0) return { kind: "none", reason: "endpoint_not_supported" };
  const capable = serving.filter((d) =>
    [...asked].every((capability) => d.capabilities.includes(capability)),
  );
  if (capable.length === 0) return { kind: "none", reason: "capability_not_supported" };
  const willing = capable.filter((d) => !input.refusedBy.includes(d.name));
  if (willing.length === 0) return { kind: "none", reason: "all_refused" };

  const ready = willing.filter((d) => (input.coolingUntilMs(d.name) ?? 0) <= input.nowMs);
  const deployment = ready.find((d) => !input.tried.includes(d.name)) ?? ready[0];
  if (deployment !== undefined) return { kind: "call", deployment };
  const untilMs = Math.min(...willing.map((d) => input.coolingUntilMs(d.name) ?? input.nowMs));
  return { kind: "wait", untilMs, reason: "rate_limited" };
}

/** `*` allows all models, `gpt-*` those that begin so, any other entry the model of just that name. */
export function mayUse(allowModels: readonly string[], model: string): boolean {
  return allowModels.some((allowed) =>
    allowed.endsWith("*") ? model.startsWith(allowed.slice(0, -1)) : allowed === model,
  );
}

type Json = unknown;

/** What a body asks of a deployment, by the request shapes of the three endpoints. */
export function capabilitiesAsked(endpoint: Endpoint, body: Json): ReadonlySet<Capability> {
  const asked = new Set<Capability>();
  if (endpoint === "/v1/embeddings") return asked;
  if (isFilled(field(body, "tools")) || isFilled(field(body, "functions"))) asked.add("tools");
  const format =
    endpoint === "/v1/responses" ? field(field(body, "text"), "format") : field(body, "response_format");
  if (field(format, "type") === "json_schema") asked.add("json_schema");
  for (const type of partTypes(field(body, endpoint === "/v1/responses" ? "input" : "messages"))) {
    if (type === "image_url" || type === "input_image") asked.add("vision");
    if (type === "input_audio") asked.add("audio");
  }
  const modalities = field(body, "modalities");
  if (Array.isArray(modalities) && modalities.includes("audio")) asked.add("audio");
  return asked;
}

/** The `type` of each content part of each message. */
function partTypes(messages: Json): unknown[] {
  if (!Array.isArray(messages)) return [];
  return messages
    .map((message) => field(message, "content"))
    .flatMap((content) => (Array.isArray(content) ? content.map((part) => field(part, "type")) : []));
}

function isFilled(value: Json): boolean {
  return Array.isArray(value) && value.length > 0;
}

function field(value: Json, name: string): Json {
  return typeof value === "object" && value !== null ? (value as Record<string, Json>)[name] : undefined;
}
