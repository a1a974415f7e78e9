import type { z } from "zod";
import { type Fault, Problem } from "../errors.ts";
import { MAX_FAULTS, MAX_MODEL_NAME_CHARS } from "../limits.ts";
import { jsonPointer } from "./json-pointer.ts";
import { type ReadJson, readJson } from "./json-text.ts";
import { type HttpRequest, readBytes } from "./request.ts";
import type { Input, Route } from "./route.ts";

type AnyInput = Input<z.ZodObject, z.ZodObject, z.ZodObject, z.ZodType>;

/** Where the route takes no body. */
const NO_BODY: ReadJson = { value: undefined, text: "", bodyText: undefined, lostNumbers: [] };

/**
 * What a request holds, by its route's schemas.
 * @throws Problem invalid_request with every fault; invalid_json, nesting_too_deep, unsupported_media_type,
 *   request_too_large; the route's own code for a path that can name nothing
 */
export async function inputOf<Deps>(route: Route<Deps>, deps: Deps, request: HttpRequest): Promise<AnyInput> {
  const { pathname, searchParams } = new URL(request.url);
  const path = pathOf(route, request.params);
  const faults: Fault[] = [];
  const query = route.query === undefined ? {} : queryOf(route.query, searchParams, faults);
  const sent = route.body === undefined ? NO_BODY : await sentJson(request, route.body.maxBytes);
  const body = route.body?.schema.safeParse(sent.value);
  if (body?.success === false) faults.push(...body.error.issues.flatMap(faultsOf));
  const headers = route.headers === undefined ? {} : headersOf(route.headers, request.headers, faults);
  const late = body?.success === true ? (route.untimely?.(deps, body.data) ?? []) : [];
  if (faults.length > 0) throw invalidRequest([...faults, ...late]);
  const untimely = late.length > 0 ? invalidRequest(late) : undefined;
  return { path, query, headers, body: body?.data, sent, untimely, request, pathname };
}

export function invalidRequest(faults: readonly Fault[]): Problem {
  const detail = faults.length === 1 ? "One fault was found." : `${faults.length} faults were found.`;
  return new Problem("invalid_request", detail, { faults: faults.slice(0, MAX_FAULTS) });
}

function pathOf({ params }: Route<never>, sent: Readonly<Record<string, string>>): AnyInput["path"] {
  if (params === undefined) return {};
  const parsed = params.schema.safeParse(sent);
  if (parsed.success) return parsed.data;
  throw new Problem(params.absent, parsed.error.issues[0]?.message ?? "The path names nothing.");
}

/** Faults come in the order of the query. Of a list, `include[]`, the first is read; `metadata.*` stands for each name that begins so. */
function queryOf({ shape }: z.ZodObject, query: URLSearchParams, faults: Fault[]): AnyInput["query"] {
  const read: Record<string, unknown> = {};
  for (const name of new Set([...query.keys(), ...Object.keys(shape)])) {
    const wanted = Object.hasOwn(shape, name) ? name : name.replace(/\..*$/s, ".*");
    const field = Object.hasOwn(shape, wanted) ? shape[wanted] : undefined;
    const [value, ...others] = query.getAll(name);
    const fault = (message: string) => {
      faults.push({ path: name.slice(0, MAX_MODEL_NAME_CHARS), message });
    };
    if (field === undefined) fault("is not a parameter of this route");
    else if (others.length > 0 && !name.endsWith("[]")) fault("is there more than once");
    else read[name] = textOf(field, value, fault);
  }
  return read;
}

function headersOf({ shape }: z.ZodObject, sent: HttpRequest["headers"], faults: Fault[]) {
  const read: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(shape)) {
    read[name] = textOf(field, sent.get(name) ?? undefined, (message) => {
      faults.push({ path: name, message });
    });
  }
  return read;
}

/** One fault is told of a text: what it should be. */
function textOf(schema: z.core.$ZodType, text: string | undefined, fault: (message: string) => void) {
  const parsed = (schema as z.ZodType).safeParse(text);
  if (!parsed.success) fault(parsed.error.issues[0]?.message ?? "is not valid");
  return parsed.data;
}

async function sentJson(request: HttpRequest, maxBytes: number): Promise<ReadJson> {
  refuseMediaType(request.headers.get("content-type"));
  return readJson(await readBytes(request, maxBytes));
}

function refuseMediaType(contentType: string | null): void {
  const [type = "", ...parameters] = (contentType ?? "").toLowerCase().split(";");
  const charset = parameters.map((p) => p.trim()).find((p) => p.startsWith("charset="));
  const utf8 = charset === undefined || /^charset="?utf-?8"?$/.test(charset);
  if (type.trim() === "application/json" && utf8) return;
  const said = contentType === null ? "No content type was sent" : "The content type is another one";
  throw new Problem("unsupported_media_type", `${said}: send application/json in UTF-8.`);
}

/** Unknown fields are named one by one; everything else is one fault at its path. */
function faultsOf(issue: z.core.$ZodIssue): Fault[] {
  if (issue.code !== "unrecognized_keys") return [{ path: jsonPointer(issue.path), message: issue.message }];
  return issue.keys.map((key) => ({
    path: jsonPointer([...issue.path, key]),
    message: "is not a field of this body",
  }));
}
