import { describe, expect, it } from "vitest";
import { Health } from "../../../../shared/quota/belief/health.ts";
import { newPool, type Pool, takenOf } from "../../../../shared/quota/belief/pool.ts";
import type { CallNews } from "../../../../shared/quota/ports.ts";

const NOW = 1_000_000;
const FREE: Pool = newPool({}, NOW);
let count = 0;
const news = (
  tenant_id: string,
  outcome: CallNews["outcome"],
  atMs: number,
  change: Partial<CallNews> = {},
): CallNews => ({
  ...{ deployment: "d", job_id: `job-${++count}`, tenant_id, outcome, latency_ms: 5, sent_ms: atMs },
  ...{ taken: takenOf(FREE, 10, atMs), headers: { requests: null, tokens: null }, retry_after_ms: null },
  ...change,
});

function told(health: Health, tenant: string, outcome: CallNews["outcome"], atMs: number, calls = 1): void {
  for (let n = 0; n < calls; n++) health.heard(news(tenant, outcome, atMs), atMs);
}

describe("calls that fail", () => {
  it("of one tenant among others count against that tenant's next calls alone", () => {
    const health = new Health();
    for (let n = 0; n < 10; n++) {
      told(health, "b", "ok", NOW + n);
      told(health, "a", "failed", NOW + n, 6);
    }
    expect(health.permits("d", "b", NOW + 20)).toBe("yes");
    expect(health.permits("d", "a", NOW + 20)).toBe("no");
    expect(health.waits("d", "a", NOW + 20)?.untilMs).toBeGreaterThan(NOW + 1_000);
    // One of its calls tries again, and if it is served all is forgotten.
    const laterMs = health.permitsAtMs("d", NOW + 20, "a");
    expect(health.permits("d", "a", laterMs)).toBe("yes");
    health.begins("d", "a", laterMs);
    expect(health.mayCall("d", "a", laterMs + 1)).toBe(false);
    told(health, "a", "ok", laterMs + 10);
    expect(health.permits("d", "a", laterMs + 11)).toBe("yes");
  });

  it("of two tenants, or of the only one that calls there, shut the deployment", () => {
    const two = new Health();
    told(two, "c", "ok", NOW);
    told(two, "a", "failed", NOW, 4);
    told(two, "b", "failed", NOW);
    expect(two.permits("d", "c", NOW + 1)).toBe("no");
    const one = new Health();
    told(one, "a", "failed", NOW, 5);
    expect(one.permits("d", "a", NOW + 1)).toBe("no");
  });

  it("of the only one that called so far do not keep another from trying, and all is well at once if it is", () => {
    const health = new Health();
    told(health, "a", "failed", NOW, 5);
    expect(health.permits("d", "b", NOW + 1)).toBe("probe");
    health.begins("d", "b", NOW + 1);
    expect(health.permits("d", "c", NOW + 2)).toBe("no");
    health.heard(news("b", "ok", NOW + 1), NOW + 300);
    expect(health.waits("d", "b", NOW + 301)).toBeUndefined();
    expect(health.waits("d", "c", NOW + 301)).toBeUndefined();
    expect(health.permits("d", "a", NOW + 301)).toBe("no");
  });
});

describe("a call that is refused", () => {
  const refuse = (health: Health, tenant: string, atMs: number, change: Partial<CallNews> = {}) => {
    const refusal = news(tenant, "refused", atMs, { retry_after_ms: 8_000, ...change });
    health.heard(refusal, atMs);
    return health.refused(refusal, false, atMs);
  };

  it("counts against its tenant, ever longer, where others call there too and are let in", () => {
    const health = new Health();
    let nowMs = NOW;
    const waits: number[] = [];
    for (let n = 0; n < 4; n++) {
      told(health, "b", "ok", nowMs);
      expect(refuse(health, "a", nowMs)).toBe(true);
      expect(health.permits("d", "b", nowMs)).toBe("yes");
      expect(health.waits("d", "a", nowMs)?.cause).toBe("rate_limited");
      const untilMs = health.permitsAtMs("d", nowMs, "a");
      waits.push(untilMs - nowMs);
      // Others go on meanwhile.
      for (nowMs += 1_000; nowMs < untilMs; nowMs += 1_000) told(health, "b", "ok", nowMs);
    }
    expect(waits).toEqual([8_000, 16_000, 32_000, 64_000]);
  });

  it("counts against the deployment where nobody else calls, where another was refused too, and where it says that it is used up", () => {
    expect(refuse(new Health(), "a", NOW)).toBe(false);
    const health = new Health();
    told(health, "b", "ok", NOW);
    told(health, "a", "ok", NOW);
    expect(refuse(health, "a", NOW + 100)).toBe(true);
    expect(refuse(health, "b", NOW + 200)).toBe(false);
    const other = new Health();
    told(other, "b", "ok", NOW);
    const tokens = { per_minute: 100, left: 5, reset_ms: null };
    expect(refuse(other, "a", NOW, { headers: { requests: null, tokens } })).toBe(false);
    // A call that is larger than the limit is not let in however much is left.
    const huge = { ...takenOf(FREE, 500, NOW) };
    expect(refuse(other, "a", NOW, { headers: { requests: null, tokens }, taken: huge })).toBe(true);
  });

  it("shows nothing by a call that was under way before it and is let in", () => {
    const health = new Health();
    told(health, "b", "ok", NOW);
    told(health, "c", "ok", NOW);
    expect(refuse(health, "a", NOW + 100)).toBe(true);
    health.heard(news("c", "ok", NOW + 50), NOW + 150);
    expect(refuse(health, "b", NOW + 200)).toBe(false);
  });
});

it("forgets the tenants of longest ago, however many fare badly", () => {
  const health = new Health();
  told(health, "b", "ok", NOW);
  for (let n = 0; n < 1_200; n++) told(health, `t${n}`, "failed", NOW, 5);
  expect(health.mayCall("d", "t0", NOW + 1)).toBe(true);
  expect(health.mayCall("d", "t1199", NOW + 1)).toBe(false);
});
