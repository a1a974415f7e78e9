import type { Dialect } from "../../dialect.ts";
import { type JsonObject, wordOf } from "../json.ts";
import { CannotSay } from "../protocol.ts";

/** What a request says of thinking. */
export interface Thinking {
  readonly isOn: boolean;
  /** The member `thinking`; absent: nothing is said of it. */
  readonly config?: JsonObject;
  /** Members of `output_config`. */
  readonly output?: JsonObject;
}

const EFFORTS: ReadonlySet<unknown> = new Set(["low", "medium", "high", "xhigh", "max"]);
/** Anthropic's own least. */
const LEAST_BUDGET_TOKENS = 1_024;

/**
 * `reasoning_effort` is the effort of adaptive thinking. Older models know a number of tokens only: a dialect whose
 * `values` of it are numbers says how many each effort is.
 * @throws CannotSay
 */
export function thinkingOf(
  { reasoning_effort: asked }: JsonObject,
  dialect: Dialect | undefined,
  maxTokens: number,
): Thinking {
  if (asked === undefined || asked === null || asked === "none") return { isOn: false };
  const param = "reasoning_effort";
  const values = dialect?.values[param];
  if (values !== undefined && !(typeof asked === "string" && Object.hasOwn(values, asked)))
    throw new CannotSay(param, `has no such ${param}`);
  const said = values?.[wordOf(asked)] ?? asked;
  if (typeof said === "number") {
    if (said < LEAST_BUDGET_TOKENS || said >= maxTokens)
      throw new CannotSay(param, `no reasoning of ${said} tokens in an answer of ${maxTokens}`);
    return { isOn: true, config: { type: "enabled", budget_tokens: said } };
  }
  if (!EFFORTS.has(said)) throw new CannotSay(param, `has no such ${param}`);
  return { isOn: true, config: { type: "adaptive" }, output: { effort: said } };
}

/** What is wrong with a dialect where the protocol names members itself. */
export function dialectFaults({ rename, roles, values }: Dialect): string[] {
  const others = Object.keys(values).filter((name) => name !== "reasoning_effort");
  return [
    ...[...Object.keys(rename), ...Object.keys(roles)].map((name) => `${name} cannot be renamed`),
    ...others.map((name) => `${name} cannot be mapped`),
  ].map((fault) => `dialect: ${fault} in the protocol anthropic`);
}
