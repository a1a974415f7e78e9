import { describe, expect, it } from "vitest";
import { type Exploration, explore, IN_FULL, REDUCED } from "./explore.ts";
import { normalForm } from "./normal-form.ts";
import { reducedKeyOf } from "./reduced-key.ts";
import { type Budget, type Model, MUTANTS, type Mutant } from "./state.ts";

const NONE: Budget = {
  ...{ crashes: 0, lostAnswers: 0, lostNudges: 0, doubledNudges: 0, renewals: 0 },
  ...{ cancels: 0, erasures: 0, repeatedSubmits: 0, refusals: 0 },
};
const model = (budget: Partial<Budget>, change: Partial<Model> = {}): Model => ({
  ...{ maxAttempts: 2, outcomes: [], maxNudges: 1 },
  budget: { ...NONE, ...budget },
  ...change,
});

/** Small enough for every run; together they have every kind of step. */
const BOUNDED: Record<string, Model> = {
  "a crash and a failed call": model({ crashes: 1 }, { outcomes: ["retry"], maxAttempts: 1 }),
  "a lost nudge": model({ lostNudges: 1 }),
  "a lost answer": model({ lostAnswers: 1 }),
  "a cancel and a repeated submit": model(
    { cancels: 1, repeatedSubmits: 1 },
    { outcomes: ["rejected"], maxAttempts: 1 },
  ),
  "an erasure": model({ erasures: 1 }, { maxAttempts: 1 }),
  "a refused call": model({ refusals: 1 }, { maxAttempts: 1 }),
};
const LONG: Record<string, Model> = {
  "a lost answer and a crash": model({ crashes: 1, lostAnswers: 1 }, { maxAttempts: 1 }),
  "a lost answer and a renewal": model({ lostAnswers: 1, renewals: 1 }, { maxNudges: 2 }),
  "a crash and a lost nudge": model({ crashes: 1, lostNudges: 1 }, { outcomes: ["retry"], maxNudges: 2 }),
  "a lost answer and a doubled nudge": model({ lostAnswers: 1, doubledNudges: 1 }, { maxNudges: 2 }),
  "a cancel and a lost answer": model({ cancels: 1, lostAnswers: 1 }),
  "two refused calls and a crash": model(
    { refusals: 2, crashes: 1 },
    { outcomes: ["retry"], maxAttempts: 1 },
  ),
};
/** Explored reduced alone: in full they would not end within minutes. */
const LARGEST: Record<string, Model> = {
  "all faults once": model(
    { crashes: 1, lostAnswers: 1, lostNudges: 1, doubledNudges: 1, cancels: 1, renewals: 1 },
    { outcomes: ["retry"] },
  ),
  "two crashes, two lost answers": model({ crashes: 2, lostAnswers: 2 }, { outcomes: ["retry"] }),
};

/** Those of the first that take longest. */
const SLOW: readonly (keyof typeof BOUNDED)[] = [
  "a lost answer",
  "a cancel and a repeated submit",
  "a refused call",
];

const said = ({ states, edges, depth }: Exploration) => `${states} states, ${edges} steps, depth ${depth}`;
const isLong = process.env.LONG === "1";

describe("the protocol, explored", () => {
  const models = isLong ? { ...BOUNDED, ...LONG } : BOUNDED;
  const keepsEveryPromise = (name: string, each: Model) => {
    const met = new Set<string>();
    const full = explore(each, IN_FULL, (s) => met.add(reducedKeyOf(normalForm(s))));
    console.log(`${name}: ${said(full)}`);
    expect(full.violation, full.violation?.trace.join("\n")).toBeUndefined();
    expect(full.states).toBeGreaterThan(500);

    // What the reduction rests on: it leaves none of these states out.
    const reduced = explore(each, REDUCED, (s) => met.delete(reducedKeyOf(s)));
    console.log(`${name}, reduced: ${said(reduced)}`);
    expect(reduced.violation).toBeUndefined();
    expect([...met].slice(0, 3)).toEqual([]);
  };
  const of = (isSlow: boolean) =>
    Object.entries(models).filter(([name]) => SLOW.includes(name as keyof typeof BOUNDED) === isSlow);
  it.each(of(false))("keeps every promise with %s", { timeout: 1_800_000 }, keepsEveryPromise);
  it.each(of(true))("keeps every promise with %s", { timeout: 1_800_000, tags: ["long"] }, keepsEveryPromise);

  it.runIf(isLong).for(Object.entries(LARGEST))(
    "keeps every promise, reduced, with %s",
    { timeout: 1_800_000 },
    ([name, each]) => {
      const reduced = explore(each, REDUCED);
      console.log(`${name}, reduced: ${said(reduced)}`);
      expect(reduced.violation, reduced.violation?.trace.join("\n")).toBeUndefined();
      expect(reduced.states).toBeGreaterThan(50_000);
    },
  );
});

/** Where a seeded fault shows soonest; the others show without any fault of the surroundings but a crash. */
const SHOWS_WITH: Partial<Record<Mutant, keyof typeof BOUNDED>> = {
  lost_claim_counts_as_written: "a lost answer",
  records_are_known_at_the_head_only: "a lost answer",
  cancels_what_has_ended: "a cancel and a repeated submit",
  repeated_submit_starts_anew: "a cancel and a repeated submit",
  no_dispatcher: "a refused call",
};

/** What the reduction takes for granted, and only a full exploration can find broken. */
const GROUNDS: readonly Mutant[] = ["settles_whoever_holds_the_claim", "cancels_what_has_ended"];

describe("the check itself", () => {
  const reducible = MUTANTS.filter((mutant) => !GROUNDS.includes(mutant));
  const explored = [
    ...MUTANTS.map((mutant) => ({ mutant, how: "in full", reduction: IN_FULL })),
    ...reducible.map((mutant) => ({ mutant, how: "reduced", reduction: REDUCED })),
  ];
  it.each(explored)(
    "finds a protocol in which $mutant, $how",
    { timeout: 600_000 },
    ({ mutant, reduction }) => {
      const first = SHOWS_WITH[mutant] ?? "a crash and a failed call";
      const order = [first, ...Object.keys(BOUNDED).filter((name) => name !== first)];
      const found = order
        .values()
        .flatMap((name) => [BOUNDED[name]].filter((each) => each !== undefined))
        .map((each) => explore({ ...each, mutant }, reduction).violation)
        .find((violation) => violation !== undefined);
      expect(found?.what).toEqual(expect.any(String));
      expect(found?.trace.length).toBeGreaterThan(0);
    },
  );
});
