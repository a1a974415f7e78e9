import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { apiDocument } from "../../shared/http/api/routes.ts";

interface Content {
  readonly schema: { readonly $ref?: string };
}
interface Operation {
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Content>> }>>;
}

const document = apiDocument() as unknown as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
};
const ajv = new Ajv2020({ strict: false, allErrors: true, formats: { uuid: true, uri: true } });
ajv.addSchema(document, "openapi");
const validators = new Map<string, ValidateFunction>();

/** What the document has for a path of the service, its query taken away; undefined: the path is not served. */
function pathOf(route: string): string | undefined {
  const segments = route.replace(/\?.*$/, "").split("/").slice(1);
  const found = Object.keys(document.paths).filter((path) => {
    const pattern = path.split("/").slice(1);
    return (
      pattern.length === segments.length &&
      pattern.every((part, at) => part === segments[at] || (part.startsWith("{") && segments[at] !== ""))
    );
  });
  // Of `/jobs/cancel` and `/jobs/{id}` a host takes the one that says more.
  return found.toSorted((a, b) => a.split("{").length - b.split("{").length)[0];
}

/** What is answered where the document has nothing: no route, or none for the method. */
const UNROUTED: Readonly<Record<number, string>> = { 404: "route_not_found", 405: "method_not_allowed" };

/**
 * Throws when an answer is not what GET /api/openapi.json says of its route, or when the document does not know the
 * route and the answer does not say so.
 */
export function checkContract(
  method: string,
  route: string,
  answer: { readonly status: number; readonly headers: Headers; readonly json: unknown },
): void {
  const path = pathOf(route);
  const operation = path === undefined ? undefined : document.paths[path]?.[method.toLowerCase()];
  if (path === undefined || operation === undefined) {
    const said = (answer.json ?? {}) as {
      readonly code?: string;
      readonly error?: { readonly code: string };
    };
    const code = said.error?.code.replace("unknown_url", "route_not_found") ?? said.code;
    const status = path === undefined ? 404 : 405;
    if (answer.status === status && code === UNROUTED[status]) return;
    throw new Error(`${method} ${route} ${answer.status}: openapi.json knows no such route`);
  }
  const where = `${method} ${path} ${answer.status}`;
  const said = operation.responses[answer.status];
  if (said === undefined) throw new Error(`${where}: openapi.json knows no such status`);
  const type = answer.headers.get("content-type")?.replace(/;.*$/, "");
  if (said.content === undefined) {
    if (answer.json !== undefined) throw new Error(`${where}: has a body, and openapi.json says it has none`);
    return;
  }
  if (type === undefined || !(type in said.content))
    throw new Error(`${where}: is ${type}, not ${Object.keys(said.content)}`);
  const validate = validatorOf([path, method.toLowerCase(), String(answer.status), type]);
  if (!validate(answer.json))
    throw new Error(`${where}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(answer.json)}`);
}

function validatorOf([path, method, status, type]: readonly [string, string, string, string]) {
  const { schema } = document.paths[path]?.[method]?.responses[status]?.content?.[type] ?? {};
  const pointer = ["paths", path, method, "responses", status, "content", type, "schema"]
    .map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1")))
    .join("/");
  // What many routes answer is compiled once.
  const $ref = schema?.$ref ?? `#/${pointer}`;
  const known = validators.get($ref) ?? ajv.compile({ $ref: `openapi${$ref}` });
  validators.set($ref, known);
  return known;
}
