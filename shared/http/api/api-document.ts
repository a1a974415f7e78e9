import { AUDIT_EVENTS } from "../../audit/record.ts";
import { ERRORS } from "../../errors.ts";
import { openapiDocument } from "./openapi.ts";

/** docs/api.md, from the same document as GET /api/openapi.json. */
export function apiDocument(): string {
  const document = openapiDocument() as unknown as Document;
  return [INTRODUCTION, routes(document), fields(document), audit(), errors()].join("\n");
}

interface Document {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, Schema> };
}
interface Operation {
  readonly summary: string;
  readonly parameters?: readonly { in: string; name: string; description: string }[];
  readonly responses: Record<string, { description: string }>;
}
interface Schema {
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly properties?: Record<string, Schema>;
  readonly type?: string | readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly description?: string;
  readonly default?: unknown;
}

const INTRODUCTION = `# API
Written by \`npm run docs\` from the schemas that validate; the same contract as OpenAPI 3.1 is at \`GET /api/openapi.json\`.

JSON in snake_case, times in Unix seconds, errors as problem+json (RFC 9457) with a stable \`code\`. Every route but health and openapi.json wants a credential: \`Authorization: Bearer …\` (an API key, or a Microsoft Entra access token) or \`api-key: …\`. A job belongs to the tenant that submitted it; another tenant's job is answered as one that does not exist.

\`\`\`sh
curl -s "$URL/api/jobs" -H 'Authorization: Bearer local-team-a' -H 'Content-Type: application/json' -H 'Idempotency-Key: report-7' -d '
  {"endpoint": "/v1/chat/completions",
   "body": {"model": "any-lab", "messages": [{"role": "user", "content": "Hello"}]},
   "deadline": 1800000000, "metadata": {"team": "search"}}'
\`\`\`
`;

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");

function routes(document: Document): string {
  const lines = ["## Routes", ""];
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      lines.push(`### ${method.toUpperCase()} /api${path}`, `${operation.summary}.`, "");
      const parameters = (operation.parameters ?? []).filter((parameter) => parameter.in !== "path");
      if (parameters.length > 0) {
        lines.push("| parameter | in | meaning |", "|---|---|---|");
        lines.push(
          ...parameters.map((each) => `| \`${each.name}\` | ${each.in} | ${cell(each.description)} |`),
          "",
        );
      }
      lines.push("| status | answer |", "|---|---|");
      lines.push(
        ...Object.entries(operation.responses).map(
          ([status, { description }]) => `| ${status} | ${cell(description)} |`,
        ),
        "",
      );
    }
  }
  return lines.join("\n");
}

/** Those a reader needs; the order of the page. */
const TITLES: Readonly<Record<string, string>> = {
  Envelope: "What a submit takes",
  Job: "A job",
  AuditRecord: "An audit record",
  Model: "A model",
  Problem: "An error",
  Usage: "Usage",
  Health: "Health",
  Status: "The service's status",
  DeadLetter: "A dead letter",
  Redrive: "What a redrive answers",
  ControlAudit: "What operators changed",
  Overrides: "Switches, limits and weights that are set",
  SwitchChange: "What setting a switch takes",
  LimitsChange: "What setting a deployment's limits takes",
  RouteWeightsChange: "What setting a route's weights takes",
  TenantWeightChange: "What setting a tenant's weight takes",
};

function fields(document: Document): string {
  const lines = [
    "## Fields",
    "Of an object within, `outer.inner`; of the objects of a list, `outer[].inner`.",
    "",
  ];
  for (const [name, title] of Object.entries(TITLES)) {
    lines.push(`### ${title}`, "| field | type | meaning |", "|---|---|---|");
    lines.push(...fieldRows(document.components.schemas[name] ?? {}, ""), "");
  }
  return lines.join("\n");
}

function fieldRows(of: Schema, prefix: string): string[] {
  return Object.entries(of.properties ?? {}).flatMap(([name, schema]) => {
    const field = `${prefix}${name}`;
    const fallback = schema.default === undefined ? "" : ` Default: \`${JSON.stringify(schema.default)}\`.`;
    const meaning = `${meaningOf(schema)}${fallback}`.trim();
    const row = `| \`${field}\` | ${cell(typeOf(schema))} | ${cell(meaning)} |`;
    const inner = [schema, ...(schema.anyOf ?? [])];
    return [
      row,
      ...inner.flatMap((each) => fieldRows(each, `${field}.`)),
      ...inner.flatMap((each) => (each.items === undefined ? [] : fieldRows(each.items, `${field}[].`))),
    ];
  });
}

/** Of what may be null, the description is often that of what it is else. */
function meaningOf({ description, anyOf }: Schema): string {
  return description ?? anyOf?.map((each) => each.description).find((text) => text !== undefined) ?? "";
}

function typeOf(schema: Schema): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(", ");
  if (schema.items !== undefined) return `list of ${typeOf(schema.items)}`;
  return [schema.type ?? "any"].flat().join(" or ");
}

const EVENT_MEANINGS: Readonly<Record<(typeof AUDIT_EVENTS)[number], string>> = {
  accepted: "the job was stored; before the 202",
  attempt_started: "a worker claimed the job and will send it; stored before anything is sent",
  attempt_failed:
    "the call failed, or was refused; the job goes on. `reason` says why (docs/answers.md), `message` is the lab's",
  attempt_lost: "the worker is gone; what the call cost is not known",
  attempt_superseded: "a late answer of an attempt that no longer held the job; its cost counts",
  waiting: "every deployment that could serve the job asked not to be called for a while",
  completed: "the end: answered",
  failed: "the end: `reason` is the error's code",
  cancelled: "the end: cancelled by a client",
  expired: "the end: the deadline passed",
  content_deleted: "request and response were erased",
  redriven: "an operator made a new job of this ended one; `reason` names it",
};

function audit(): string {
  const lines = ["## Audit events", "| event | meaning |", "|---|---|"];
  lines.push(...AUDIT_EVENTS.map((event) => `| \`${event}\` | ${EVENT_MEANINGS[event]} |`), "");
  return lines.join("\n");
}

function errors(): string {
  const lines = ["## Error codes", "| code | status | what it means | what to do |", "|---|---|---|---|"];
  for (const [code, { status, title, advice }] of Object.entries(ERRORS)) {
    lines.push(`| \`${code}\` | ${status ?? "a job's `error`"} | ${cell(title)} | ${cell(advice)} |`);
  }
  lines.push(
    "",
    "`invalid_request` lists every fault in `faults`: `{path, message}`, the path a JSON Pointer or a header's or parameter's name.",
    "",
  );
  return lines.join("\n");
}
