import type { Endpoint } from "../model/endpoint.ts";

/** A schema that takes longer to read is an attack, or a mistake. */
export const MAX_SCHEMA_BYTES = 65_536;

type Fields = Readonly<Record<string, unknown>>;
const fieldsOf = (value: unknown): Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};

/** The JSON schema that a request asks its answer to hold; undefined: it asks for none. */
export function schemaOf(endpoint: Endpoint, body: unknown): unknown {
  const { response_format, text } = fieldsOf(body);
  if (endpoint === "/v1/chat/completions") {
    const { type, json_schema } = fieldsOf(response_format);
    return type === "json_schema" ? fieldsOf(json_schema).schema : undefined;
  }
  if (endpoint !== "/v1/responses") return undefined;
  const { type, schema } = fieldsOf(fieldsOf(text).format);
  return type === "json_schema" ? schema : undefined;
}

/** Why answers cannot be checked against a schema; undefined: they can, as far as can be told without reading it all. */
export function schemaFault(schema: unknown): string | undefined {
  if (schema === undefined) return "the body asks for no JSON schema";
  if (Buffer.byteLength(JSON.stringify(schema)) > MAX_SCHEMA_BYTES)
    return `the body's JSON schema has over ${MAX_SCHEMA_BYTES} bytes`;
  return hasRemoteRef(schema) ? "a `$ref` of the body's JSON schema leads out of it" : undefined;
}

const REFS: ReadonlySet<string> = new Set(["$ref", "$dynamicRef", "$recursiveRef"]);

function hasRemoteRef(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(
    ([name, member]) =>
      (REFS.has(name) && typeof member === "string" && !member.startsWith("#")) || hasRemoteRef(member),
  );
}

/** What stands in the place of a text: no text at all, or the model's refusal to give one. */
const NO_TEXT = "";

/**
 * The texts of an answer that are to hold the schema: of each choice, or of the whole response. A message that only
 * calls tools has none; a refusal is one that cannot hold it.
 */
export function textsOf(endpoint: Endpoint, answer: unknown): readonly string[] {
  const { choices, output } = fieldsOf(answer);
  if (endpoint === "/v1/chat/completions")
    return listOf(choices).flatMap((choice) => {
      const { content, tool_calls } = fieldsOf(fieldsOf(choice).message);
      if (listOf(tool_calls).length > 0 && !content) return [];
      return [typeof content === "string" ? content : partsOf(content)];
    });
  const messages = listOf(output)
    .map(fieldsOf)
    .filter(({ type }) => type === "message");
  return messages.map(({ content }) => partsOf(content));
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

function partsOf(content: unknown): string {
  const texts = listOf(content).map((part) => fieldsOf(part).text);
  return texts.filter((text) => typeof text === "string").join("") || NO_TEXT;
}
