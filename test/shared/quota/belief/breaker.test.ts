import { expect, it } from "vitest";
import {
  afterCall,
  type Breaker,
  CLOSED,
  permits,
  permitsAtMs,
  probing,
  rampShare,
} from "../../../../shared/quota/belief/breaker.ts";

const NOW = 1_000_000;
const after = (
  b: Breaker,
  outcome: "ok" | "failed",
  latency_ms: number,
  job_id: string,
  nowMs: number,
  tenant_id?: string,
) =>
  afterCall(
    b,
    { job_id, ...(tenant_id === undefined ? {} : { tenant_id }), outcome, latency_ms, taken: { at_ms: 0 } },
    nowMs,
  );
const fails = (b: Breaker, jobs: readonly string[], nowMs = NOW, tenant?: string) =>
  jobs.reduce((sum, id) => after(sum, "failed", 5, id, nowMs, tenant), b);

it("opens when the calls of five jobs in a row fail, not when one job fails five times", () => {
  expect(permits(fails(CLOSED, ["a", "a", "a", "a", "a", "a"]), NOW)).toBe("yes");
  const open = fails(CLOSED, ["a", "b", "c", "d", "e"]);
  expect(permits(open, NOW)).toBe("no");
  expect(permitsAtMs(open, NOW)).toBe(NOW + 5_000);
  expect(permits(open, NOW + 5_000)).toBe("probe");
});

it("opens when half of the recent calls fail", () => {
  let b = CLOSED;
  for (let n = 0; n < 8; n++) {
    b = after(b, "ok", 300, `ok-${n}`, NOW);
    b = after(b, "failed", 5, `bad-${n}`, NOW);
  }
  expect(b.state).toBe("open");
});

it("counts calls that take far longer than usual as failed", () => {
  let b = CLOSED;
  for (let n = 0; n < 20; n++) b = after(b, "ok", 1_000, `fast-${n}`, NOW);
  for (let n = 0; n < 60; n++) b = after(b, "ok", 1_000_000_000, `slow-${n}`, NOW + 60_000);
  expect(b.failures).toBeGreaterThan(5);
});

it("lets one probe through, then more and more calls", () => {
  const later = NOW + 5_000;
  const probed = probing(fails(CLOSED, ["a", "b", "c", "d", "e"]), later);
  expect(permits(probed, later + 1)).toBe("no");
  const well = after(probed, "ok", 300, "probe", later + 300);
  expect(permits(well, later + 300)).toBe("yes");
  expect(rampShare(well, later + 300)).toBeCloseTo(0.1);
  expect(rampShare(well, later + 4_300)).toBeCloseTo(0.5);
  expect(rampShare(well, later + 60_000)).toBe(1);
});

it("stays open longer each time a probe fails", () => {
  let b = fails(CLOSED, ["a", "b", "c", "d", "e"]);
  const waits: number[] = [];
  let nowMs = NOW;
  for (let n = 0; n < 6; n++) {
    nowMs = permitsAtMs(b, nowMs);
    waits.push(b.open_for_ms);
    b = after(probing(b, nowMs), "failed", 5, `probe-${n}`, nowMs + 5);
  }
  expect(waits).toEqual([5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
});

it("takes answers to calls from before it opened for nothing new", () => {
  const open = fails(CLOSED, ["a", "b", "c", "d", "e"]);
  expect(after(open, "ok", 300, "old", NOW + 100).state).toBe("open");
  expect(fails(open, ["f", "g"], NOW + 200).opened_ms).toBe(NOW);
});

it("forgets a probe that never came back", () => {
  const probed = probing(fails(CLOSED, ["a", "b", "c", "d", "e"]), NOW + 5_000);
  expect(permits(probed, NOW + 5_000 + 30_000)).toBe("probe");
});
