import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { openapiDocument } from "../../shared/http/api/openapi.ts";

interface Content {
  readonly schema: { readonly $ref?: string };
}
interface Operation {
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Content>> }>>;
}

const document = openapiDocument() as unknown as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
};
const ajv = new Ajv2020({ strict: false, allErrors: true });
ajv.addSchema(document, "openapi");
const validators = new Map<string, ValidateFunction>();

/** What the document has for a path of the service, query and prefix taken away. */
function pathOf(route: string): string | undefined {
  const segments = route.replace(/\?.*$/, "").split("/").slice(2);
  return Object.keys(document.paths).find((path) => {
    const pattern = path.split("/").slice(1);
    return (
      pattern.length === segments.length &&
      pattern.every((part, at) => part === segments[at] || (part.startsWith("{") && segments[at] !== ""))
    );
  });
}

/** Throws when an answer is not what GET /api/openapi.json says of its route. */
export function checkContract(
  method: string,
  route: string,
  answer: { readonly status: number; readonly headers: Headers; readonly json: unknown },
): void {
  const path = pathOf(route);
  const operation = path === undefined ? undefined : document.paths[path]?.[method.toLowerCase()];
  if (path === undefined || operation === undefined) return;
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
