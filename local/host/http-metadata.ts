import type { TypedData } from "./core-api.ts";
import { jsonProperties } from "./json-properties.ts";

export interface HttpMetadataSource {
  /** Path and query. */
  readonly target: string;
  /** The route's values. */
  readonly params: Record<string, string>;
  readonly headers: Record<string, string>;
  /** Of a request that announces its length; undefined too for a long one that is no JSON. */
  readonly body: Buffer | undefined;
}

/**
 * The trigger metadata of an HTTP request, of which the library makes the function's `params` and headers where
 * requests stream. As in the cloud the properties of a JSON body and the query's names are among them, names are the
 * same whatever their case and stand as they first came, and the route's values win. A property or a query that is
 * called `headers` leaves the function without any other.
 */
export function httpMetadata({
  target,
  params,
  headers,
  body,
}: HttpMetadataSource): Record<string, TypedData> {
  const metadata: Record<string, TypedData> = Object.create(null);
  const question = target.indexOf("?");
  const properties = body === undefined || body[0] === undefined ? [] : jsonProperties(body.toString());
  if (question < 0 && properties.length === 0) {
    for (const name in params) metadata[name] = { string: params[name] ?? "" };
    metadata.Headers = { json: JSON.stringify(headers) };
    return metadata;
  }
  const names = new Map<string, string>();
  const set = (name: string, value: TypedData) => {
    const known = names.get(name.toLowerCase()) ?? name;
    names.set(name.toLowerCase(), known);
    metadata[known] = value;
  };
  for (const [name, value] of properties) set(name, value);
  for (const [name, value] of new URLSearchParams(question < 0 ? "" : target.slice(question + 1))) {
    if (name.toLowerCase() !== "code") set(name, { string: value });
  }
  for (const [name, value] of Object.entries(params)) set(name, { string: value });
  if (!names.has("headers")) metadata.Headers = { json: JSON.stringify(headers) };
  return metadata;
}
