import { describe, expect, it } from "vitest";
import { end } from "../../../../shared/job/ending/end.ts";
import { nextLookMs, type Usual, UsualDurations } from "../../../../shared/job/ending/look-times.ts";
import { acceptJob } from "../../../../shared/job/intake/accept.ts";
import { draftOf } from "../../../../shared/job/life-cycle.ts";
import { by, submission } from "../samples.ts";

/** When a client that waits for a job of such a duration hears of its end, and how many reads that took. */
function wait(durationMs: number, usual: Usual | undefined): { heardMs: number; reads: number } {
  let heardMs = 0;
  for (let reads = 1; ; reads++) {
    heardMs += nextLookMs(heardMs, usual);
    if (heardMs >= durationMs) return { heardMs, reads };
  }
}

/** Job after job of a model. */
function learned(...durationsMs: number[]): Usual | undefined {
  const durations = new UsualDurations();
  for (const ms of durationsMs) {
    const accepted = draftOf(acceptJob(submission, by).job);
    const nowMs = by.nowMs + ms;
    durations.ended(end(accepted, { status: "cancelled", nowMs, actor: "a" }).job);
  }
  return durations.of(submission.model);
}

describe("how often a held call looks for its job's end", () => {
  it.each([
    [500, 250, 3],
    [2_000, 250, 3],
    [10_000, 1_100, 3],
    [30_000, 2_000, 4],
  ])("steady calls of %d ms are heard of within %d ms, by %d reads", (ms, lateMs, most) => {
    const usual = learned(...Array.from({ length: 30 }, (_, n) => ms * (0.95 + (n % 3) * 0.05)));
    for (const actual of [ms * 0.95, ms, ms * 1.05]) {
      const { heardMs, reads } = wait(actual, usual);
      expect(heardMs - actual).toBeLessThanOrEqual(lateMs);
      expect(reads).toBeLessThanOrEqual(most);
    }
  });

  it("a short one among long ones is not waited for as long as those take", () => {
    const usual = learned(...Array.from({ length: 30 }, (_, n) => (n % 2 === 0 ? 500 : 20_000)));
    expect(wait(500, usual).heardMs).toBeLessThanOrEqual(750);
  });

  it("where nothing is known it is found soon, and never looked for less often than every two seconds", () => {
    expect(wait(30, undefined).heardMs).toBeLessThanOrEqual(60);
    expect(wait(500, undefined)).toEqual({ heardMs: expect.any(Number), reads: expect.any(Number) });
    expect(wait(500, undefined).reads).toBeLessThanOrEqual(9);
    for (let age = 0; age < 60_000; age += 500) expect(nextLookMs(age, undefined)).toBeLessThanOrEqual(2_000);
  });

  it("what takes no time at all is looked for every 25 ms at most", () => {
    expect(nextLookMs(0, learned(2, 3, 2))).toBe(25);
  });
});
