import { AUDIT_EVENTS } from "../../shared/audit/record.ts";
import { ERRORS } from "../../shared/errors.ts";
import { IF_NONE_MATCH } from "../../shared/http/api/openapi.ts";
import { apiDocument } from "../../shared/http/api/routes.ts";

/** docs/api.md, from the same declarations as GET /api/openapi.json. */
export function apiPage(): string {
  const document = apiDocument() as unknown as Document;
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
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
}

const INTRODUCTION = `# API
\`npm run docs\` writes this page from the declarations of the routes. The same contract as OpenAPI 3.1 is at \`GET /api/openapi.json\`.

The routes below \`/openai/v1\` are the OpenAI door: [openai.md](openai.md) says what differs there.

Bodies are JSON in snake_case, times are Unix seconds. Errors are problem+json (RFC 9457) with a stable \`code\`, at paths and for methods that are not served too. Every answer has an \`x-request-id\`. Every route but health and openapi.json needs a credential: \`Authorization: Bearer …\` (an API key, or a Microsoft Entra access token) or \`api-key: …\`. A job belongs to the tenant that submitted it; for other tenants it does not exist.

Every JSON that a \`GET\` below \`/api\` answers has an \`ETag\`. Sent back in \`If-None-Match\`, it is answered 304 as long as nothing has changed. A job's is its version; any other is of the answer itself (none, if that is over 1 MiB).

Submit a job, and wait up to 30 seconds for its end. Without \`Prefer\` the answer comes at once:

\`\`\`sh
URL=http://127.0.0.1:7071
curl -s "$URL/api/jobs" \\
  -H 'Authorization: Bearer local-team-a' -H 'Content-Type: application/json' \\
  -H 'Idempotency-Key: report-7' -H 'Prefer: wait=30' \\
  -d '{"endpoint": "/v1/chat/completions",
       "body": {"model": "any-lab", "messages": [{"role": "user", "content": "Hello"}]},
       "metadata": {"team": "search"}}'
\`\`\`

A job with a deadline in an hour; then the newest jobs of this tenant:

\`\`\`sh
URL=http://127.0.0.1:7071
curl -s "$URL/api/jobs" -H 'Authorization: Bearer local-team-a' -H 'Content-Type: application/json' \\
  -d '{"body": {"model": "gpt-sim", "messages": [{"role": "user", "content": "Hello"}]},
       "deadline": '$(($(date +%s) + 3600))'}'
curl -s "$URL/api/jobs?limit=5" -H 'Authorization: Bearer local-team-a'
\`\`\`

An operator looks at the service, takes a deployment out of use, and puts it back:

\`\`\`sh
URL=http://127.0.0.1:7071
curl -s "$URL/api/ops/status" -H 'Authorization: Bearer local-operator'
curl -s -X PUT "$URL/api/ops/switches/deployment/gpt-sim-local" \\
  -H 'Authorization: Bearer local-operator' -H 'Content-Type: application/json' \\
  -d '{"state": "drained", "reason": "maintenance"}'
curl -s -X DELETE "$URL/api/ops/switches/deployment/gpt-sim-local" -H 'Authorization: Bearer local-operator'
\`\`\`
`;

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");

function routes(document: Document): string {
  const lines = ["## Routes", ""];
  for (const [path, operations] of Object.entries(document.paths)) {
    // The same routes at other paths: docs/openai.md names those.
    if (!/^\/(api|openai\/v1)\//.test(path)) continue;
    for (const [method, operation] of Object.entries(operations)) {
      lines.push(`### ${method.toUpperCase()} ${path}`, `${operation.summary}.`, "");
      const named = operation.parameters ?? [];
      // The introduction says it of all reads.
      const isOfAll = ({ description }: { description: string }) => description === IF_NONE_MATCH;
      const parameters = named.filter((each) => each.in !== "path" && !isOfAll(each));
      const responses = Object.entries(operation.responses).filter(
        ([status]) => status !== "304" || !named.some(isOfAll),
      );
      if (parameters.length > 0) {
        lines.push("| parameter | in | meaning |", "|---|---|---|");
        lines.push(
          ...parameters.map((each) => `| \`${each.name}\` | ${each.in} | ${cell(each.description)} |`),
          "",
        );
      }
      lines.push("| status | answer |", "|---|---|");
      lines.push(...responses.map(([status, { description }]) => `| ${status} | ${cell(description)} |`), "");
    }
  }
  return lines.join("\n");
}

/** Schemas in the order in which the routes name them. */
function fields(document: Document): string {
  const lines = ["## Fields", "Nested fields: `outer.inner`; items of a list: `outer[].inner`.", ""];
  const refs = JSON.stringify(document.paths).matchAll(/#\/components\/schemas\/(\w+)/g);
  for (const name of new Set([...refs].map(([, name = ""]) => name))) {
    const schema = document.components.schemas[name] ?? {};
    lines.push(`### ${schema.title ?? name}`, "| field | type | meaning |", "|---|---|---|");
    lines.push(...fieldRows(schema, ""), "");
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

/** A field that may be null is often described only where it is not. */
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
  attempt_superseded: "a late answer of an attempt that had lost the job by then; its cost counts",
  waiting: "no deployment may be called for the job yet; `reason` says why",
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
