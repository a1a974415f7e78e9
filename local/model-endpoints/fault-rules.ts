import { type CallLabels, type Fault, type FaultRule, matches, strikes } from "./fault.ts";
import { type Random, seeded } from "./seeded.ts";

interface Active {
  readonly id: number;
  readonly rule: FaultRule;
  readonly random: Random;
  hits: number;
  struck: number;
}

/** The fault rules set over POST /_control; the first one that strikes a call has it. Not kept over a restart. */
export class FaultRules {
  readonly #seed: string;
  #rules: Active[] = [];
  #lastId = 0;

  constructor(seed: string) {
    this.#seed = seed;
  }

  add(rule: FaultRule): void {
    const id = ++this.#lastId;
    this.#rules.push({ id, rule, random: seeded(`${this.#seed}|rule|${id}`), hits: 0, struck: 0 });
  }

  /** Takes away all rules, or those of one profile. */
  reset(profile?: string): void {
    this.#rules = profile === undefined ? [] : this.#rules.filter((each) => each.rule.profile !== profile);
  }

  /** The fault for a call that has just come. */
  strike(call: CallLabels): Fault | undefined {
    for (const each of this.#rules) {
      if (!matches(each.rule, call)) continue;
      each.hits++;
      if (!strikes(each.rule, each.hits, each.random())) continue;
      each.struck++;
      return each.rule.fault;
    }
    return undefined;
  }

  /** The rules as GET /_control shows them. */
  list(): object[] {
    return this.#rules.map(({ id, rule, hits, struck }) => ({
      id,
      fault: rule.fault.kind,
      profile: rule.profile ?? null,
      model: rule.model ?? null,
      endpoint: rule.endpoint ?? null,
      job: rule.job ?? null,
      after: rule.after,
      times: Number.isFinite(rule.times) ? rule.times : null,
      probability: rule.probability,
      hits,
      struck,
    }));
  }
}
