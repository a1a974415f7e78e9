import { FaultRuleInvalid } from "./fault.ts";
import { isObject } from "./fields.ts";
import { type DeploymentLimits, LIMIT_SHAPES, type LimitShape } from "./profiles.ts";

/** New limits for the deployments it names; without a name: for all. */
export interface LimitOrder {
  readonly profile: string | undefined;
  readonly model: string | undefined;
  /** Undefined: no limits. */
  readonly limits: DeploymentLimits | undefined;
}

const NUMBERS: Readonly<Record<string, { min: number; max: number }>> = {
  requests_per_minute: { min: 1, max: 1_000_000_000 },
  tokens_per_minute: { min: 1, max: 1_000_000_000_000 },
  window_seconds: { min: 0.01, max: 86_400 },
  tokens_window_seconds: { min: 0.01, max: 86_400 },
  stranger_share: { min: 0, max: 0.99 },
};
const FLAGS = ["refused_calls_count", "headers", "unlimited"];
const TEXTS = ["profile", "model", "shape"];

/**
 * Reads an order as POST /_control and MODEL_LIMITS give it: `{profile, model, requests_per_minute,
 * tokens_per_minute, window_seconds, tokens_window_seconds, shape: "bucket" | "window", refused_calls_count,
 * stranger_share, headers}`, or `{profile, model, unlimited: true}`.
 * @throws FaultRuleInvalid
 */
export function readLimitOrder(value: unknown): LimitOrder {
  if (!isObject(value)) throw new FaultRuleInvalid("limits are a JSON object");
  const known = [...TEXTS, ...FLAGS, ...Object.keys(NUMBERS)];
  const odd = Object.keys(value).find((name) => !known.includes(name));
  if (odd !== undefined)
    throw new FaultRuleInvalid(`there is no field ${odd}; there are ${known.join(", ")}`);
  const whom = { profile: textIn(value, "profile"), model: textIn(value, "model") };
  if (flagIn(value, "unlimited") === true) return { ...whom, limits: undefined };
  const tokensWindowSeconds = numberIn(value, "tokens_window_seconds");
  const refusedCallsCount = flagIn(value, "refused_calls_count");
  const strangerShare = numberIn(value, "stranger_share");
  const headers = flagIn(value, "headers");
  return {
    ...whom,
    limits: {
      requestsPerMinute: required(value, "requests_per_minute"),
      tokensPerMinute: required(value, "tokens_per_minute"),
      windowSeconds: required(value, "window_seconds"),
      shape: shapeIn(value),
      ...(tokensWindowSeconds === undefined ? {} : { tokensWindowSeconds }),
      ...(refusedCallsCount === undefined ? {} : { refusedCallsCount }),
      ...(strangerShare === undefined ? {} : { strangerShare }),
      ...(headers === undefined ? {} : { headers }),
    },
  };
}

/**
 * Reads a JSON text with one order or a list of them.
 * @throws FaultRuleInvalid
 */
export function readLimitOrders(text: string): readonly LimitOrder[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw new FaultRuleInvalid(`it is no JSON: ${thrown instanceof Error ? thrown.message : thrown}`);
  }
  return (Array.isArray(value) ? value : [value]).map(readLimitOrder);
}

type Fields = Readonly<Record<string, unknown>>;

function textIn(value: Fields, name: string): string | undefined {
  const text = value[name];
  if (text === undefined || typeof text === "string") return text;
  throw new FaultRuleInvalid(`${name} must be a text`);
}

function shapeIn(value: Fields): LimitShape {
  const name = textIn(value, "shape") ?? "window";
  const shape = LIMIT_SHAPES.find((each) => each === name);
  if (shape === undefined) throw new FaultRuleInvalid(`shape must be one of ${LIMIT_SHAPES.join(", ")}`);
  return shape;
}

function flagIn(value: Fields, name: string): boolean | undefined {
  const flag = value[name];
  if (flag === undefined || typeof flag === "boolean") return flag;
  throw new FaultRuleInvalid(`${name} must be true or false`);
}

function numberIn(value: Fields, name: string): number | undefined {
  const given = value[name];
  if (given === undefined) return undefined;
  const { min, max } = NUMBERS[name] ?? { min: 0, max: 0 };
  if (typeof given === "number" && given >= min && given <= max) return given;
  throw new FaultRuleInvalid(`${name} must be a number, ${min} to ${max}`);
}

function required(value: Fields, name: string): number {
  const number = numberIn(value, name);
  if (number === undefined) throw new FaultRuleInvalid(`${name} is missing`);
  return number;
}
