import type { Model } from "../resources.ts";

/** What a person fills in to submit a job, and what is sent. */
export interface Draft {
  readonly model: string;
  readonly endpoint: string;
  /** Either a prompt, or the whole body as JSON. */
  readonly isJson: boolean;
  readonly system: string;
  readonly prompt: string;
  readonly json: string;
  readonly priority: string;
  /** Seconds from now; empty: the service's own. */
  readonly deadlineSeconds: string;
  readonly maxCost: string;
  /** Of the answer, beside a prompt; empty: as many as the model gives. */
  readonly maxTokens: string;
  readonly idempotencyKey: string;
  /** `name: value`, one a line. */
  readonly metadata: string;
}

export const EMPTY_DRAFT: Draft = {
  model: "",
  endpoint: "/v1/chat/completions",
  isJson: false,
  system: "",
  prompt: "",
  json: '{\n  "messages": [{"role": "user", "content": "Hello"}]\n}',
  priority: "standard",
  deadlineSeconds: "",
  maxCost: "",
  maxTokens: "",
  idempotencyKey: "",
  metadata: "",
};

/** A fault that the page finds by itself; whatever else is wrong the service says. */
export class DraftFault extends Error {
  override readonly name = "DraftFault";
}

type Fields = Record<string, unknown>;

/** The request's body without its model. @throws DraftFault */
export function bodyOf({ endpoint, isJson, system, prompt, json, maxTokens }: Draft): Fields {
  if (isJson) return jsonBody(json);
  if (endpoint === "/v1/embeddings") return { input: prompt };
  const limit = (name: string) => (maxTokens === "" ? {} : { [name]: Number(maxTokens) });
  if (endpoint === "/v1/responses")
    return {
      ...(system === "" ? {} : { instructions: system }),
      input: prompt,
      ...limit("max_output_tokens"),
    };
  const messages = [
    ...(system === "" ? [] : [{ role: "system", content: system }]),
    { role: "user", content: prompt },
  ];
  return { messages, ...limit("max_tokens") };
}

function jsonBody(json: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (thrown) {
    throw new DraftFault(`The body is not valid JSON: ${(thrown as Error).message}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new DraftFault("The body must be a JSON object.");
}

/** @throws DraftFault */
export function metadataOf(lines: string): Record<string, string> {
  const entries = lines
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const at = line.indexOf(":");
      if (at < 1) throw new DraftFault(`“${line.trim()}” is not of the form “name: value”.`);
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()] as const;
    });
  const twice = entries.find(([name], at) => entries.findIndex((each) => each[0] === name) < at);
  if (twice !== undefined) throw new DraftFault(`The metadata has “${twice[0]}” twice.`);
  return Object.fromEntries(entries);
}

/** Why a job for a model would wait from the start; undefined: somebody may serve it. */
export function unservedBy({ served_by }: Pick<Model, "served_by">): string | undefined {
  if (served_by.some(({ available }) => available)) return undefined;
  return "An operator has switched off whoever serves this model: the job will wait.";
}

/** The envelope of POST /api/jobs. @throws DraftFault */
export function envelopeOf(draft: Draft, nowMs: number): Fields {
  const { model, endpoint, priority, deadlineSeconds, maxCost } = draft;
  const metadata = metadataOf(draft.metadata);
  return {
    ...(endpoint === EMPTY_DRAFT.endpoint ? {} : { endpoint }),
    body: { model, ...bodyOf(draft) },
    ...(priority === EMPTY_DRAFT.priority ? {} : { priority }),
    ...(deadlineSeconds === "" ? {} : { deadline: Math.floor(nowMs / 1000) + Number(deadlineSeconds) }),
    ...(maxCost === "" ? {} : { max_cost: maxCost }),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
  };
}

/** A text as one argument of a POSIX shell. */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The same submit by curl; the key stays out of it. */
export function curlOf(origin: string, envelope: Fields, idempotencyKey: string): string {
  const headers = [
    `-H "Authorization: Bearer $SWITCHYARD_KEY"`,
    `-H 'Content-Type: application/json'`,
    ...(idempotencyKey === "" ? [] : [`-H ${shellQuoted(`Idempotency-Key: ${idempotencyKey}`)}`]),
  ];
  return [
    `curl -s ${origin}/api/jobs`,
    ...headers,
    `-d ${shellQuoted(JSON.stringify(envelope, null, 2))}`,
  ].join(" \\\n  ");
}

const SDK_CALLS: Readonly<Record<string, string>> = {
  "/v1/chat/completions": "chat.completions.create",
  "/v1/responses": "responses.create",
  "/v1/embeddings": "embeddings.create",
};

/** The same call by OpenAI's own SDK, which waits for the answer. Of what is no field of OpenAI's it says what is lost. */
export function sdkOf(origin: string, draft: Draft, body: Fields): string {
  const headers = {
    ...(draft.priority === "" ? {} : { "x-switchyard-priority": draft.priority }),
    ...(draft.deadlineSeconds === "" ? {} : { "x-switchyard-deadline-seconds": draft.deadlineSeconds }),
    ...(draft.idempotencyKey === "" ? {} : { "Idempotency-Key": draft.idempotencyKey }),
  };
  const lost = [
    ...(draft.maxCost === "" ? [] : ["max_cost"]),
    ...(draft.metadata.trim() === "" ? [] : ["metadata"]),
  ];
  const note =
    lost.length === 0
      ? ""
      : `// The SDK's door takes no ${lost.join(" and no ")}: only the curl line sends that.\n`;
  return `import OpenAI from "openai";

${note}const client = new OpenAI({ baseURL: "${origin}/openai/v1", apiKey: process.env.SWITCHYARD_KEY });
const answer = await client.${SDK_CALLS[draft.endpoint] ?? "post"}(
  ${JSON.stringify(body, null, 2).replaceAll("\n", "\n  ")},
  { headers: ${JSON.stringify(headers)} },
);
`;
}
