import type { TypedData } from "./core-api.ts";

/**
 * The properties of a text that is a JSON object, as the host makes trigger metadata of them: each but lists and nulls.
 * None where the text is no such thing.
 */
export function jsonProperties(text: string): [name: string, value: TypedData][] {
  const trimmed = text.trim();
  if (!trimmed.startsWith("{") || !trimmed.endsWith("}")) return [];
  let body: Record<string, unknown>;
  try {
    body = JSON.parse(trimmed) as Record<string, unknown>;
  } catch {
    // Text in braces; the host takes it for that, too.
    return [];
  }
  return Object.entries(body).flatMap(([name, value]): [string, TypedData][] => {
    if (value === null || Array.isArray(value)) return [];
    return [[name, typeof value === "object" ? { json: JSON.stringify(value) } : { string: textOf(value) }]];
  });
}

/** As .NET writes it: True, False. */
function textOf(value: unknown): string {
  return typeof value === "boolean" ? (value ? "True" : "False") : String(value);
}
