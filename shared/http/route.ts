import { z } from "zod";
import type { Fault, Problem, ProblemCode } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Answer } from "./answer.ts";
import type { Caller } from "./authenticate.ts";
import type { ReadJson } from "./json-text.ts";
import type { HttpRequest } from "./request.ts";

/** Who may call a route; each has credentials of its own kind. */
export type Who = "anyone" | Caller["kind"];
export type CallerOf<W extends Who> = W extends "anyone" ? undefined : Extract<Caller, { kind: W }>;

/** What a handler is given of the invocation. */
export interface Visit {
  readonly log: Log;
  readonly requestId: string;
  /** Calls `run` if the client leaves before its answer; the function returned stops that. Absent: nobody can tell. */
  readonly onLeft?: (run: () => void) => () => void;
}

/** One answer of a route, as the contract tells it. */
export interface AnswerSpec {
  readonly description: string;
  /** The body; absent: the answer has none. */
  readonly schema?: z.ZodType;
  /** Absent: JSON. */
  readonly type?: string;
  /** Headers of the answer, each with its meaning. */
  readonly headers?: Readonly<Record<string, string>>;
}

type Answers = Readonly<Record<number, AnswerSpec>>;

/** What a request holds once it is found valid. */
export interface Input<
  Path extends z.ZodObject,
  Query extends z.ZodObject,
  Headers extends z.ZodObject,
  Body extends z.ZodType,
> {
  readonly path: z.output<Path>;
  readonly query: z.output<Query>;
  readonly headers: z.output<Headers>;
  readonly body: z.output<Body>;
  /** The body as it was sent. */
  readonly sent: ReadJson;
  /** What `untimely` found, where nothing else is wrong. */
  readonly untimely: Problem | undefined;
  /** As it came: for a route that reads its body itself. */
  readonly request: HttpRequest;
  /** The request's path, without the query. */
  readonly pathname: string;
}

/** A route: validation, the contract and the documentation all follow from this one declaration. */
export interface RouteSpec<
  Deps,
  W extends Who,
  Path extends z.ZodObject,
  Query extends z.ZodObject,
  Headers extends z.ZodObject,
  Body extends z.ZodType,
  A extends Answers,
> {
  /** The function's name in the host, `get-job`; in the contract the operation is `getJob`. */
  readonly name: string;
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** A route template of Azure Functions, from the root: `api/jobs/{id}`; `{*rest}` takes slashes too. */
  readonly path: string;
  readonly who: W;
  /** In the contract, one sentence without its full stop. */
  readonly summary: string;
  /** Path parameters, and the code of the answer where one cannot be what it should be. */
  readonly params?: { readonly schema: Path; readonly absent: ProblemCode };
  /** Each parameter at most once, and no others. Absent: the query is not looked at. */
  readonly query?: Query;
  /** The headers that the route looks at, besides the credential's. */
  readonly headers?: Headers;
  readonly body?: { readonly schema: Body; readonly maxBytes: number };
  /** Fields of a multipart form, for the contract: the handler reads it, as it comes. */
  readonly upload?: z.ZodObject;
  /** What is wrong with a valid body only now. It is listed with all other faults; alone, it is the handler's to judge. */
  readonly untimely?: (deps: Deps, body: z.output<Body>) => readonly Fault[];
  /** Whether each call counts against the tenant's limit of submits. */
  readonly isSubmit?: boolean;
  readonly answers: A;
  /** The codes of its own; those of its credential, its query and its body follow from the rest. */
  readonly errors?: readonly ProblemCode[];
  readonly handle: (
    deps: Deps,
    input: Input<Path, Query, Headers, Body>,
    caller: CallerOf<W>,
    visit: Visit,
  ) => Promise<Answer<Extract<keyof A, number>>>;
}

/** Any route that is content with `Deps`. */
export type Route<Deps> = RouteSpec<Deps, Who, z.ZodObject, z.ZodObject, z.ZodObject, z.ZodType, Answers>;

/** A route's declaration, without its handler. */
export type RouteContract = Omit<Route<never>, "handle" | "untimely">;

const NOTHING = z.object({});

/** Declares a route; what its handler is given has the types of the schemas. */
export function route<
  Deps,
  W extends Who,
  A extends Answers,
  Path extends z.ZodObject = typeof NOTHING,
  Query extends z.ZodObject = typeof NOTHING,
  Headers extends z.ZodObject = typeof NOTHING,
  Body extends z.ZodType = z.ZodUndefined,
>(spec: RouteSpec<Deps, W, Path, Query, Headers, Body, A>): Route<Deps> {
  // Who serves a route gives its handler what these very schemas made.
  return spec as unknown as Route<Deps>;
}
