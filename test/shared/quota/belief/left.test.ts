import { describe, expect, it } from "vitest";
import type { LimitHeaders } from "../../../../shared/model/quota-headers.ts";
import { type Belief, leftOf } from "../../../../shared/quota/belief/belief.ts";
import {
  learn,
  newPool,
  type Pool,
  poolAt,
  takeFrom,
  takenOf,
} from "../../../../shared/quota/belief/pool.ts";

const START = 1_000_000;
const PER_MINUTE = 60_000;
const limits = { requests_per_minute: PER_MINUTE, window_seconds: 10 };
const left = (pool: Pool, nowMs = START) => {
  const { requests } = poolAt(pool, nowMs);
  return requests === null ? undefined : leftOf(requests);
};

/** A call, and what its answer says of requests. */
function called(pool: Pool, requests: LimitHeaders | null, nowMs = START): Pool {
  const taken = takeFrom(poolAt(pool, nowMs), 1, 0);
  const news = { taken: takenOf(taken, 0, nowMs), refused: false, headers: { requests, tokens: null } };
  return learn(taken, { ...news, retry_after_ms: null, arrived_ms: nowMs, exact: true }, nowMs);
}

describe("what is left of a limit of which the shape is not known", () => {
  it("is all of it, before a call", () => {
    expect(left(newPool(limits, START))).toBe(PER_MINUTE);
  });

  it("is what the running window holds, less what was taken of it", () => {
    const pool = called(newPool(limits, START), null);
    // One of the window's 10,000 is six of a minute's.
    expect(left(pool)).toBe(PER_MINUTE - 6);
    expect(left(called(pool, null, START + 1_000), START + 1_000)).toBe(PER_MINUTE - 12);
    expect(left(pool, START + 10_000)).toBe(PER_MINUTE);
  });

  it("is less where an answer saw less, until all is there again", () => {
    const told = { per_minute: PER_MINUTE, left: 1_000, reset_ms: 8_000 };
    const pool = called(newPool(limits, START), told);
    expect(left(pool)).toBe(6_000);
    expect(left(takeFrom(poolAt(pool, START), 500, 0))).toBe(3_000);
    expect(left(takeFrom(poolAt(pool, START), 5_000, 0))).toBe(0);
    expect(left(pool, START + 8_000)).toBe(PER_MINUTE - 6);
  });

  it("is not known where nobody says over how long it is counted", () => {
    expect(left(called(newPool({ requests_per_minute: PER_MINUTE }, START), null))).toBeNull();
  });
});

it("of a shape that is known, it is the share that is there of what there can be", () => {
  const known = { ceiling_per_second: 1_000, per_second: 1_000, window_ms: 10_000, at_ms: START, spent: 1 };
  const bucket: Belief = {
    ...{ ...known, shape: "bucket", capacity: 1_000, level: 250, drain_per_second: 0 },
    ...{ seen: null, most_seen: 0, expected: 0, grown: 0 },
  };
  const window: Belief = {
    ...{ ...known, shape: "window", capacity: 10_000, level: 9_000, factor: 1, doubt: 0 },
    ...{ pending: 0, unsure: 0, window: null },
  };
  expect([leftOf(bucket), leftOf(window)]).toEqual([15_000, 54_000]);
  expect([leftOf({ ...bucket, level: -9 }), leftOf({ ...window, level: 20_000 })]).toEqual([0, PER_MINUTE]);
});
