import { z } from "zod";
import { ERRORS, type ProblemCode } from "../../errors.ts";
import type { Door } from "../door.ts";
import type { AnswerSpec, RouteContract } from "../route.ts";

type Json = Readonly<Record<string, unknown>>;

/** What a door's contract says: its routes, and the form of its refusals. */
export interface DoorContract {
  readonly door: Pick<Door, "refusals" | "hasEtags">;
  readonly routes: readonly RouteContract[];
}

/** The contract of the doors, OpenAPI 3.1, from the declarations of their routes. */
export function openapiDocument(given: readonly DoorContract[]) {
  const doors = given.map(({ door, routes }) => ({
    door,
    routes: door.hasEtags ? routes.map(withEtag) : routes,
  }));
  const routes = doors.flatMap(({ routes }) => routes);
  // A default makes a field optional where it is taken, and certain where it is answered.
  const taken = written("input", routes.flatMap(takenBy));
  const refusals = doors.map(({ door }) => door.refusals.schema);
  const answered = written("output", [...refusals, ...routes.flatMap(answeredBy)]);
  const of = (schema: z.core.$ZodType) => taken.of.get(schema) ?? answered.of.get(schema) ?? {};
  const paths: Record<string, Record<string, Json>> = {};
  for (const { door, routes } of doors) {
    for (const each of routes) {
      const path = `/${each.path}`.replace("{*", "{");
      paths[path] = { ...paths[path], [each.method.toLowerCase()]: operationOf(each, of, door) };
    }
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Switchyard",
      version: "1",
      description:
        "Asynchronous inference across every lab's models. Submit a job, get 202, poll until it has ended.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    security: [{ bearer: [] }, { api_key: [] }],
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description: "An API key, or a Microsoft Entra access token.",
        },
        api_key: { type: "apiKey", in: "header", name: "api-key" },
      },
      schemas: { ...taken.named, ...answered.named },
    },
  };
}

/** What conditional.ts adds to a route that reads JSON and has no ETag of its own. */
export const IF_NONE_MATCH = "An ETag of this route's answers: 304 while the answer is the same.";
const ETAG = "Of the answer; send it back in If-None-Match.";

function withEtag(route: RouteContract): RouteContract {
  const { method, headers, answers } = route;
  const answer = answers[200];
  const isRead = method === "GET" && answer?.schema !== undefined && answer.type === undefined;
  if (!isRead || answer.headers?.ETag !== undefined) return route;
  const asked = { "If-None-Match": z.string().optional().describe(IF_NONE_MATCH) };
  return {
    ...route,
    headers: z.object({ ...headers?.shape, ...asked }),
    answers: {
      ...answers,
      200: { ...answer, headers: { ...answer.headers, ETag: ETAG } },
      304: { description: "Unchanged." },
    },
  };
}

const fieldsOf = (schema: z.ZodObject | undefined) => Object.entries(schema?.shape ?? {});

function takenBy({ body, headers }: RouteContract): z.core.$ZodType[] {
  return [...(body === undefined ? [] : [body.schema]), ...fieldsOf(headers).map(([, field]) => field)];
}

/** What texts of the path and the query stand for is what their schemas answer: `limit` is a number. */
function answeredBy({ answers, params, query }: RouteContract): z.core.$ZodType[] {
  const bodies = Object.values(answers).flatMap(({ schema }) => (schema === undefined ? [] : [schema]));
  const texts = [...fieldsOf(params?.schema), ...fieldsOf(query)].map(([, field]) => field);
  return [...bodies, ...texts];
}

/** Every schema as JSON Schema; those with an `id`, wherever they are, once by name. */
function written(io: "input" | "output", schemas: readonly z.core.$ZodType[]) {
  const all = z.tuple(schemas as [z.ZodType, ...z.ZodType[]]);
  const text = JSON.stringify(z.toJSONSchema(all, { io, unrepresentable: "any" }));
  const { $defs = {}, prefixItems } = JSON.parse(text.replaceAll("#/$defs/", "#/components/schemas/")) as {
    $defs?: Record<string, Json>;
    prefixItems: Json[];
  };
  return { named: $defs, of: new Map(schemas.map((schema, at) => [schema, prefixItems[at] ?? {}])) };
}

type Written = (schema: z.core.$ZodType) => Json;

function operationOf(each: RouteContract, of: Written, { refusals }: DoorContract["door"]): Json {
  const { name, who, summary, params, query, headers, body, upload, answers } = each;
  const parameters = [
    ...fieldsOf(params?.schema).map(([name, field]) => ({
      ...parameter("path", name, of(field)),
      required: true,
    })),
    ...fieldsOf(query).map(([name, field]) => parameter("query", name, of(field))),
    ...fieldsOf(headers).map(([name, field]) => parameter("header", name, of(field))),
  ];
  const answersOf = Object.entries(answers).map(([status, answer]) => [status, answerOf(answer, of)]);
  return {
    operationId: name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase()),
    summary,
    ...(who === "anyone" ? { security: [] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body === undefined ? {} : { requestBody: { required: true, ...jsonContent(of(body.schema)) } }),
    ...(upload === undefined
      ? {}
      : { requestBody: { required: true, ...jsonContent(of(upload), "multipart/form-data") } }),
    responses: { ...Object.fromEntries(answersOf), ...problemsOf(errorsOf(each), refusals, of) },
  };
}

function parameter(where: "path" | "query" | "header", name: string, { description, ...schema }: Json): Json {
  return { in: where, name, description, schema };
}

const jsonContent = (schema: Json, type = "application/json") => ({ content: { [type]: { schema } } });

function answerOf({ description, schema, type, headers = {} }: AnswerSpec, of: Written): Json {
  const named = Object.entries(headers).map(([name, description]) => [
    name,
    { description, schema: { type: "string" } },
  ]);
  return {
    description,
    ...(named.length > 0 ? { headers: Object.fromEntries(named) } : {}),
    ...(schema === undefined ? {} : jsonContent(of(schema), type)),
  };
}

const BODY = [
  "invalid_json",
  "invalid_request",
  "nesting_too_deep",
  "too_many_values",
  "unsupported_media_type",
  "request_too_large",
] as const;
const CREDENTIAL = ["missing_credential", "invalid_credential", "issuer_unavailable", "forbidden"] as const;
const FAILURES = ["internal_error", "store_unavailable"] as const;

/** The codes a route can answer with: its own, and those that follow from what it declares. */
function errorsOf({ who, query, body, errors = [] }: RouteContract): readonly ProblemCode[] {
  const all: ProblemCode[] = [
    ...(body === undefined ? [] : BODY),
    ...(query === undefined ? [] : (["invalid_request"] as const)),
    ...errors,
    ...(who === "tenant" ? (["too_many_requests", "service_busy"] as const) : []),
    ...(who === "anyone" ? [] : [...CREDENTIAL, ...FAILURES]),
  ];
  return [...new Set(all)];
}

/** Errors by their status. */
function problemsOf(codes: readonly ProblemCode[], refusals: Door["refusals"], of: Written): Json {
  const { statusOf, schema, type } = refusals;
  const byStatus = Object.entries(Object.groupBy(codes, statusOf));
  return Object.fromEntries(
    byStatus.map(([status, those = []]) => [
      status,
      {
        description: those.map((code) => `\`${code}\`: ${ERRORS[code].title}.`).join(" "),
        ...jsonContent(of(schema), type),
      },
    ]),
  );
}
