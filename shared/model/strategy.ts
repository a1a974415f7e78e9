import { sha256Hex } from "../sha256.ts";
import type { Model, Target } from "./catalogue.ts";
import { costNow } from "./cost.ts";
import { DEFAULT_OUTPUT_TOKENS, type TokenEstimate } from "./token-estimate.ts";

/** What a strategy looks at besides the route itself. */
export interface StrategyInput {
  /** Makes the weighted draw repeatable, and so explainable: the job and its attempt. */
  readonly seed: string;
  readonly tokens: TokenEstimate;
  /** The service tier that the request asks for; undefined: the ordinary one. */
  readonly serviceTier: string | undefined;
  readonly nowMs: number;
  /** A call's smoothed duration, ms; undefined: not measured lately. */
  readonly latencyMs: (deployment: string) => number | undefined;
}

/** A target's place in the order, and the words for it in the audit trail. */
export interface Ranked {
  readonly target: Target;
  readonly why: string;
}

/** A route's targets in the order they are tried for one request. */
export function rank(model: Model, input: StrategyInput): readonly Ranked[] {
  switch (model.strategy) {
    case "ordered":
      return model.targets.map((target, index) => ({ target, why: `target ${index + 1}` }));
    case "weighted":
      return weighted(model.targets, input.seed);
    case "cheapest":
      return cheapest(model.targets, input);
    case "fastest":
      return fastest(model.targets, input.latencyMs);
  }
}

const ascending = <T>(items: readonly T[], key: (item: T) => number): T[] =>
  // Sorting is stable: the file's order decides between equals.
  [...items].sort((a, b) => key(a) - key(b));

/**
 * A draw without replacement by weight: each target draws its own number, so that one more or less leaves the order
 * of the others as it was. The method is Efraimidis and Spirakis's, «Weighted random sampling with a reservoir», 2006.
 */
function weighted(targets: readonly Target[], seed: string): Ranked[] {
  const drawn = targets.map((target) => ({
    target,
    key: -Math.log(uniform(`${seed}/${target.deployment.name}`)) / target.weight,
  }));
  return ascending(drawn, ({ key }) => key).map(({ target }) => ({
    target,
    why: `drawn by weight ${target.weight}`,
  }));
}

/** A number in (0, 1) that follows from the text. */
function uniform(text: string): number {
  const HEX_DIGITS = 13; // 52 bits: what a double holds exactly
  return (Number.parseInt(sha256Hex(text).slice(0, HEX_DIGITS), 16) + 0.5) / 2 ** (4 * HEX_DIGITS);
}

/** By what this request would cost; where it sets no limit, every target is reckoned to answer equally long. */
function cheapest(targets: readonly Target[], { tokens, serviceTier, nowMs }: StrategyInput): Ranked[] {
  const output = (tokens.outputTokensAsked ?? DEFAULT_OUTPUT_TOKENS) * tokens.answers;
  const expected = { input: tokens.promptTokens, output, serviceTier };
  const priced = targets.map((target) => ({
    target,
    cost: costNow(expected, target.deployment.price, nowMs),
  }));
  return ascending(priced, ({ cost }) => Number(cost.amount)).map(({ target, cost }) => ({
    target,
    why: `cheapest, at most about ${Number(Number(cost.amount).toPrecision(3))} ${cost.currency}`,
  }));
}

/** One not measured lately goes first, so that it is. */
function fastest(
  targets: readonly Target[],
  latencyMs: (deployment: string) => number | undefined,
): Ranked[] {
  const timed = targets.map((target) => ({ target, ms: latencyMs(target.deployment.name) }));
  return ascending(timed, ({ ms }) => ms ?? -1).map(({ target, ms }) => ({
    target,
    why: ms === undefined ? "fastest, to be measured" : `fastest, about ${Math.round(ms)} ms`,
  }));
}
