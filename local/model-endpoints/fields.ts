import { invalid, missing } from "./api-error.ts";

/** Reading the fields of a request, with OpenAI's words where one is wrong. Null counts as absent, as it does there. */
export type Json = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function present(body: Json, name: string): boolean {
  return body[name] !== undefined && body[name] !== null;
}

export function wrongType(param: string, expected: string, value: unknown): Error {
  return invalid(
    `Invalid type for '${param}': expected ${expected}, but got ${describe(value)} instead.`,
    param,
    "invalid_type",
  );
}

/** @throws ApiError 400 when it is not a number, or out of bounds */
export function numberOf(
  body: Json,
  param: string,
  bounds: { min: number; max: number; integer?: boolean },
): number | undefined {
  if (!present(body, param)) return undefined;
  const value = body[param];
  const kind = bounds.integer === true ? "integer" : "decimal";
  if (typeof value !== "number" || (bounds.integer === true && !Number.isInteger(value))) {
    throw wrongType(param, bounds.integer === true ? "an integer" : "a decimal", value);
  }
  if (value < bounds.min) {
    throw invalid(
      `Invalid '${param}': ${kind} below minimum value. Expected a value >= ${bounds.min}, but got ${value} instead.`,
      param,
      `${kind}_below_min_value`,
    );
  }
  if (value > bounds.max) {
    throw invalid(
      `Invalid '${param}': ${kind} above maximum value. Expected a value <= ${bounds.max}, but got ${value} instead.`,
      param,
      `${kind}_above_max_value`,
    );
  }
  return value;
}

/** @throws ApiError 400 when it is none of them */
export function oneOf<T extends string>(value: unknown, param: string, values: readonly T[]): T {
  const found = values.find((each) => each === value);
  if (found !== undefined) return found;
  if (typeof value !== "string") throw wrongType(param, "a string", value);
  const list = values.map((each) => `'${each}'`).join(", ");
  throw invalid(`Invalid value: '${value}'. Supported values are: ${list}.`, param, "invalid_value");
}

/** @throws ApiError 400 when it is absent, or no string */
export function stringOf(body: Json, name: string, param = name): string {
  if (!present(body, name)) throw missing(param);
  const value = body[name];
  if (typeof value !== "string") throw wrongType(param, "a string", value);
  return value;
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "number") return Number.isInteger(value) ? "an integer" : "a decimal";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
