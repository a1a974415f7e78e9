import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decide,
  type InstanceState,
  NO_WORK,
  platformTimes,
  startDelayMs,
} from "../../../local/stack/scale-controller.ts";
import { workOf } from "../../../local/stack/work.ts";

const TIMES = platformTimes(1);
const at = (state: InstanceState, idleMs = 0) => ({ state, idleMs });

describe("the scale controller", () => {
  it("takes away what has been frozen and idle long enough, unless there is work", () => {
    const instances = [at("frozen", 19_999), at("frozen", 20_000), at("awake", 0), at("ending", 30_000)];
    expect(decide(instances, NO_WORK, TIMES)).toEqual([undefined, "end", undefined, undefined]);
    expect(decide(instances, { wanted: 1, thaws: "all" }, TIMES)).toEqual([
      "thaw",
      "thaw",
      undefined,
      undefined,
    ]);
  });

  it("thaws one for what one does, and none while one is awake", () => {
    const one = { wanted: 1, thaws: "one" } as const;
    expect(decide([at("gone"), at("frozen"), at("frozen")], one, TIMES)).toEqual([
      undefined,
      "thaw",
      undefined,
    ]);
    expect(decide([at("awake"), at("frozen")], one, TIMES)).toEqual([undefined, undefined]);
  });

  it("starts as many as are wanted, counting those on their way", () => {
    const instances = [at("gone"), at("coming"), at("starting"), at("awake"), at("gone"), at("gone")];
    const starts = (wanted: number) =>
      decide(instances, { wanted, thaws: "none" }, TIMES).filter((action) => action === "start").length;
    expect([0, 3, 4, 5, 9].map(starts)).toEqual([0, 0, 1, 2, 3]);
    // One that is ending is none, and its place is not free yet.
    expect(decide([at("ending")], { wanted: 1, thaws: "all" }, TIMES)).toEqual([undefined]);
  });

  it("never leaves work without an instance, and never ends one that it wants", () => {
    const state = fc.constantFrom<InstanceState[]>("gone", "coming", "starting", "awake", "frozen", "ending");
    const instance = fc.record({ state, idleMs: fc.integer({ min: 0, max: 60_000 }) });
    const work = fc.record({ wanted: fc.integer({ min: 1, max: 9 }), thaws: fc.constantFrom("all", "one") });
    fc.assert(
      fc.property(fc.array(instance, { minLength: 1, maxLength: 5 }), work, (instances, wanted) => {
        const actions = decide(instances, wanted as never, TIMES);
        expect(actions).not.toContain("end");
        const serves = instances.some(
          ({ state: now }, n) =>
            ["awake", "coming", "starting", "ending"].includes(now) ||
            ["thaw", "start"].includes(actions[n] ?? ""),
        );
        expect(serves).toBe(true);
      }),
    );
  });

  it("takes 1 to 5 s to start one, by chance", () => {
    expect([0, 0.5, 0.999].map((chance) => Math.round(startDelayMs(TIMES, () => chance)))).toEqual([
      1_000, 3_000, 4_996,
    ]);
    expect(startDelayMs(platformTimes(0.1), () => 0)).toBe(100);
  });
});

describe("what a group has to do", () => {
  const queue = { kind: "queue", queue: "nudges", deadLetters: false, maxConcurrentCalls: 10 } as const;
  const dead = { ...queue, deadLetters: true };
  const NONE = { counters: {}, dueTimers: new Set<string>(), openRequests: 0 };
  const counted = (counters: Record<string, number>) => ({ ...NONE, counters });

  it("is by its queue's messages: those that wait and those that are locked", () => {
    expect(workOf(queue, counted({ "nudges.ready": 11, "nudges.locked": 10 }), true)).toEqual({
      wanted: 3,
      thaws: "all",
    });
    expect(workOf(queue, counted({ "nudges.dead": 5, "other.ready": 5 }), true)).toEqual(NO_WORK);
    expect(workOf(dead, counted({ "nudges.dead": 5, "nudges.ready": 50 }), true)).toEqual({
      wanted: 1,
      thaws: "all",
    });
    expect(workOf(queue, { ...NONE, counters: undefined }, false)).toEqual(NO_WORK);
  });

  it("lets an instance sleep while another handles what is locked, and wakes the one that holds it", () => {
    const locked = counted({ "nudges.locked": 1 });
    expect(workOf(queue, locked, true)).toEqual({ wanted: 1, thaws: "none" });
    expect(workOf(queue, locked, false)).toEqual({ wanted: 1, thaws: "all" });
  });

  it("is by requests and by timers that are due; a feed is always read", () => {
    const requests = (openRequests: number) => workOf({ kind: "http" }, { ...NONE, openRequests }, true);
    expect([0, 1, 16, 17].map((open) => requests(open).wanted)).toEqual([0, 1, 1, 2]);
    const timer = { kind: "timer", name: "sweep" } as const;
    expect(workOf(timer, NONE, false)).toEqual(NO_WORK);
    const due = { ...NONE, dueTimers: new Set(["sweep"]) };
    expect(workOf(timer, due, false)).toEqual({ wanted: 1, thaws: "one" });
    expect(workOf({ kind: "other" }, NONE, false)).toEqual({ wanted: 1, thaws: "all" });
  });
});
