import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { systemClock } from "../../shared/clock.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const DAY_MS = 86_400_000;

it("waits out a delay longer than a timer of Node's can hold, such as a deadline of a year", () => {
  let ran = 0;
  systemClock.after(365 * DAY_MS, () => ran++);
  vi.advanceTimersByTime(364 * DAY_MS);
  expect(ran).toBe(0);
  vi.advanceTimersByTime(DAY_MS);
  expect(ran).toBe(1);
});

it("can be told not to wait any longer, in any part of the delay", () => {
  let ran = 0;
  const cancel = systemClock.after(60 * DAY_MS, () => ran++);
  vi.advanceTimersByTime(50 * DAY_MS);
  cancel();
  vi.advanceTimersByTime(50 * DAY_MS);
  expect(ran).toBe(0);
});
