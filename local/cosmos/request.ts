import type { IncomingHttpHeaders } from "node:http";
import { badRequest } from "./cosmos-error.ts";
import type { Conditions } from "./items.ts";
import type { Route } from "./route.ts";

/** A request as it came, with its whole body. */
export interface CosmosRequest {
  readonly route: Route;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export const is = (header: string | string[] | undefined) => String(header).toLowerCase() === "true";

export function header(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** What a write may ask for and this emulator has not. @throws CosmosError 400 */
export function refuseUnserved(headers: IncomingHttpHeaders): void {
  if (header(headers, "x-ms-indexing-directive")?.toLowerCase() === "exclude")
    throw badRequest("The indexing directive 'exclude' is not served by this emulator.");
  for (const name of ["x-ms-documentdb-pre-trigger-include", "x-ms-documentdb-post-trigger-include"])
    if (headers[name] !== undefined) throw badRequest("Triggers are not served by this emulator.");
}

export const isQuery = (headers: IncomingHttpHeaders) =>
  is(headers["x-ms-documentdb-isquery"]) ||
  String(headers["content-type"]).startsWith("application/query+json");

export function conditionsOf(headers: IncomingHttpHeaders): Conditions {
  return { ifMatch: header(headers, "if-match"), ifNoneMatch: header(headers, "if-none-match") };
}

export function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw badRequest("The input content is invalid: it is no JSON.");
  }
}

export function parseObject(body: string): Record<string, unknown> {
  const value = parseJson(body);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw badRequest("The input content must be a JSON object.");
  return value as Record<string, unknown>;
}

/** The last write a session has seen, of `0:1#15`; undefined for a request without a session. */
export function sessionLsn(headers: IncomingHttpHeaders): number | undefined {
  const token = header(headers, "x-ms-session-token");
  if (token === undefined || token === "") return undefined;
  const lsn = /(?:^|,)0:[^#,]*#(\d+)/.exec(token)?.[1];
  if (lsn === undefined) throw badRequest("The session token is not valid.");
  return Number(lsn);
}
