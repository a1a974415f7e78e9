import { unitsOf } from "../decimal.ts";
import type { Tenant } from "../tenant/tenants.ts";
import { mostCostOf } from "./bill.ts";
import type { Deployment, Model, Target } from "./catalogue.ts";
import type { Unsayable } from "./protocol/protocol.ts";
import { protocolFor, serves } from "./protocol/protocols.ts";
import type { RequestAsk } from "./request-ask.ts";
import { type Ranked, rank, type StrategyInput } from "./strategy.ts";
import type { WaitCause } from "./wait-cause.ts";

export interface ChoiceInput extends Pick<StrategyInput, "seed" | "latencyMs"> {
  /** Undefined: the model is not in the catalogue. */
  readonly model: Model | undefined;
  readonly ask: RequestAsk;
  readonly tenant: Pick<Tenant, "allow_models" | "deny_providers" | "budget">;
  /** Deployments that turned the job away for good. */
  readonly refusedBy: readonly string[];
  /** Deployments that failed since the last back-off: others come first. */
  readonly tried: readonly string[];
  /** Why a call of a deployment must wait; undefined: it may go now. */
  readonly waitCause: (deployment: string) => WaitCause | undefined;
  readonly nowMs: number;
  /** What its next call may cost at most, in units of 10^-18; absent: whatever. */
  readonly costLeft?: bigint | undefined;
}

export type Choice =
  /** `reason`: why this one, and why those before it were passed over; null where there is nothing to choose. */
  | { readonly kind: "call"; readonly deployment: Deployment; readonly reason: string | null }
  /** No deployment may be called yet, the first of them for that cause. */
  | {
      readonly kind: "wait";
      readonly cause: WaitCause;
      readonly reason: string;
      /** Those that can serve it, in order: whichever is free first will do. Failed ones only if there are no others. */
      readonly deployments: readonly Deployment[];
    }
  /** Or until an operator switches one on again. */
  | { readonly kind: "wait"; readonly cause: "switched_off"; readonly reason: string }
  | {
      readonly kind: "none";
      readonly reason: NoChoice;
      /** The reason, and `passedOver` where there is any. */
      readonly detail: string;
      /** Which deployments were passed over, and why each. */
      readonly passedOver: string;
      /** The first member of the request that one of them cannot be told. */
      readonly unsayable?: Unsayable;
    };

export type NoChoice =
  | "model_not_found"
  | "model_not_allowed"
  | "endpoint_not_supported"
  | "capability_not_supported"
  | "all_refused"
  /** Each that could serve it may cost more than is left. */
  | "too_dear";

/** Which deployment serves a request: the first, by the route's strategy, that may, can, and is free to. */
export function chooseDeployment(input: ChoiceInput): Choice {
  const { model, tenant, ask } = input;
  if (model === undefined) return none("model_not_found");
  if (!mayUse(tenant.allow_models, model.id)) return none("model_not_allowed");
  const { seed, latencyMs, nowMs } = input;
  const ranked = rank(model, { ...ask, seed, latencyMs, nowMs });
  const hindered = ranked.map((each) => ({ ...each, hindrance: hindranceOf(each.target.deployment, input) }));
  const willing = hindered.filter((each) => each.hindrance === undefined);
  const notes = hindered.flatMap(({ target, hindrance }) =>
    hindrance === undefined ? [] : [noteOf(target, hindrance.why)],
  );
  if (willing.length === 0) {
    const worst = Math.max(
      ...hindered.map(({ hindrance }) => HINDRANCES.indexOf(hindrance?.kind ?? "denied")),
    );
    const unsayable = hindered.find(({ hindrance }) => hindrance?.unsayable?.param)?.hindrance?.unsayable;
    return none(NO_CHOICE[HINDRANCES[worst] ?? "denied"], notes, unsayable);
  }
  return firstFree(willing, notes, model.targets.length > 1, input);
}

/** Why a deployment cannot serve this request at all. Those further down the list came nearer to serving it. */
const HINDRANCES = ["denied", "endpoint", "ability", "refused", "cost"] as const;
interface Hindrance {
  readonly kind: (typeof HINDRANCES)[number];
  readonly why: string;
  readonly unsayable?: Unsayable;
}

const NO_CHOICE: Readonly<Record<Hindrance["kind"], NoChoice>> = {
  denied: "model_not_allowed",
  endpoint: "endpoint_not_supported",
  ability: "capability_not_supported",
  refused: "all_refused",
  cost: "too_dear",
};

function hindranceOf(d: Deployment, input: ChoiceInput): Hindrance | undefined {
  const { ask, tenant } = input;
  const denial = denialOf(d, tenant);
  if (denial !== undefined) return { kind: "denied", why: denial };
  if (!serves(d, ask.endpoint)) return { kind: "endpoint", why: `no ${ask.endpoint}` };
  const inability = inabilityOf(d, ask);
  if (inability !== undefined) return { kind: "ability", why: inability };
  const unsayable = protocolFor(d, ask.endpoint).unsayable(ask.endpoint, ask.body, d);
  if (unsayable !== undefined) return { kind: "ability", why: unsayable.why, unsayable };
  if (input.refusedBy.includes(d.name)) return { kind: "refused", why: "turned it away" };
  if (input.costLeft !== undefined) {
    const { amount, currency } = mostCostOf(ask, d);
    if (unitsOf(amount) > input.costLeft) return { kind: "cost", why: `may cost ${amount} ${currency}` };
  }
  return undefined;
}

/** Why a tenant may not use a deployment; undefined: it may. */
export function denialOf(
  { provider, price }: Deployment,
  { deny_providers, budget }: Pick<Tenant, "deny_providers" | "budget">,
): string | undefined {
  if (deny_providers.includes(provider)) return "provider denied";
  // What it would cost cannot be held against the budget.
  if (budget !== undefined && price.currency !== budget.currency)
    return `price in ${price.currency}, budget in ${budget.currency}`;
  return undefined;
}

/** What a request asks for that a deployment cannot do, in a few words; undefined: it can all. */
function inabilityOf(d: Deployment, { capabilities, tokens }: RequestAsk): string | undefined {
  const missing = [...capabilities].filter((capability) => !d.capabilities.includes(capability));
  if (missing.length > 0) return `no ${missing.join(", ")}`;
  const asked = tokens.outputTokensAsked ?? 0;
  if (asked > (d.max_output_tokens ?? Infinity)) return `answers of ${asked} tokens are too long`;
  const together = tokens.promptTokens + asked;
  return together > (d.context_tokens ?? Infinity) ? `about ${together} tokens are too many` : undefined;
}

function firstFree(
  willing: readonly Ranked[],
  hindrances: readonly string[],
  severalTargets: boolean,
  input: ChoiceInput,
): Choice {
  const notes = [...hindrances];
  const untried = willing.filter(({ target }) => !input.tried.includes(target.deployment.name));
  const failed = willing.filter(({ target }) => input.tried.includes(target.deployment.name));
  const waitedFor: { readonly deployment: Deployment; readonly cause: WaitCause }[] = [];
  for (const { target, why } of inTurn(untried, failed, input)) {
    const { deployment } = target;
    const cause = target.off === undefined ? input.waitCause(deployment.name) : undefined;
    if (target.off !== undefined) {
      notes.push(noteOf(target, `switched off by ${target.off.by}`));
      if (target.off.mode === "park") return waitForSwitch(notes);
    } else if (cause !== undefined) {
      notes.push(noteOf(target, cause.replaceAll("_", " ")));
      waitedFor.push({ deployment, cause });
    } else {
      const before = untried.some((each) => each.target === target) ? failed : [];
      const all = [...notes, ...before.map((each) => noteOf(each.target, "failed"))];
      return {
        kind: "call",
        deployment,
        reason: severalTargets ? inWords(why, all) : null,
      };
    }
  }
  const first = waitedFor.filter(({ deployment }) => !input.tried.includes(deployment.name));
  const line = first.length > 0 ? first : waitedFor;
  const cause = line[0]?.cause;
  if (cause === undefined) return waitForSwitch(notes);
  return {
    kind: "wait",
    cause,
    reason: inWords(cause, severalTargets ? notes : []),
    deployments: line.map(({ deployment }) => deployment),
  };
}

/** Where nobody has asked yet what there is of another one, that comes before the same again. */
function inTurn(untried: readonly Ranked[], failed: readonly Ranked[], input: ChoiceInput) {
  const isNotAsked = ({ target: { off, deployment } }: Ranked) =>
    off === undefined && input.waitCause(deployment.name) === "no_slice";
  return untried.some(isNotAsked) ? untried : [...untried, ...failed];
}

function waitForSwitch(notes: readonly string[]): Choice {
  return { kind: "wait", cause: "switched_off", reason: inWords("switched_off", notes) };
}

function none(reason: NoChoice, notes: readonly string[] = [], unsayable?: Unsayable): Choice {
  const words = { detail: inWords(reason, notes), passedOver: cut(notes.join(", ")) };
  return { kind: "none", reason, ...words, ...(unsayable === undefined ? {} : { unsayable }) };
}

/** Length of the reasons in an audit record; a route may have many targets. */
const MAX_REASON_CHARS = 300;

function noteOf(target: Target, why: string): string {
  return `${target.deployment.name} (${why})`;
}

/** `target 2; passed over: gpt-eastus (no vision), grok-eastus2 (rate limited)` */
function inWords(head: string, notes: readonly string[]): string {
  if (notes.length === 0) return head;
  return cut(`${head}; passed over: ${notes.join(", ")}`);
}

function cut(text: string): string {
  return text.length <= MAX_REASON_CHARS ? text : `${text.slice(0, MAX_REASON_CHARS - 1)}…`;
}

/** `*` allows all models, `gpt-*` those that begin so, any other entry the model of just that name. */
export function mayUse(allowModels: readonly string[], model: string): boolean {
  return allowModels.some((allowed) =>
    allowed.endsWith("*") ? model.startsWith(allowed.slice(0, -1)) : allowed === model,
  );
}
