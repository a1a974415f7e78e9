import { expect, it } from "vitest";
import { Starts } from "../../../../shared/job/intake/starts.ts";
import { MAX_STARTS_PER_SECOND } from "../../../../shared/limits.ts";

const MOMENT = 1_700_000_000_000;
const asking = (tenant_id: string, not_before_ms: number | null) => ({ tenant_id, not_before_ms });

it("a tenant's jobs of one moment are nudged in turns, and another's at its own", () => {
  const starts = new Starts();
  const jobs = 5 * MAX_STARTS_PER_SECOND;
  const times = Array.from({ length: jobs }, (_, n) => starts.nudgeAtMs(asking("a", MOMENT + (n % 900))));
  const seconds = Map.groupBy(times, (atMs) => Math.floor(((atMs ?? 0) - MOMENT) / 1000));
  expect([...seconds].map(([second, { length }]) => [second, length])).toEqual(
    [0, 1, 2, 3, 4].map((second) => [second, MAX_STARTS_PER_SECOND]),
  );
  expect(starts.nudgeAtMs(asking("b", MOMENT))).toBe(MOMENT);
  expect(starts.nudgeAtMs(asking("a", MOMENT + 60_000))).toBe(MOMENT + 60_000);
  expect(starts.nudgeAtMs(asking("a", null))).toBeNull();
});

it("however many moments are asked for, few are remembered, and none is too early", () => {
  const starts = new Starts();
  for (let n = 0; n < 30_000; n++) {
    const atMs = MOMENT + n * 1000;
    expect(starts.nudgeAtMs(asking("a", atMs))).toBe(atMs);
  }
});
