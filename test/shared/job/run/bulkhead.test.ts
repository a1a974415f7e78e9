import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bulkhead } from "../../../../shared/job/run/bulkhead.ts";
import { MAX_READING } from "../../../../shared/limits.ts";

const CALLS = 240;
const BYTES = 1_000;
const WEIGHTS: Readonly<Record<string, number>> = { heavy: 3 };
const weightOf = (tenant: string) => WEIGHTS[tenant] ?? 1;
const made = () => new Bulkhead({ calls: CALLS, bytes: BYTES }, weightOf);

/** Begins calls as long as it may; what gives each back. */
function fill(bulkhead: Bulkhead, tenant: string, deployment: string, bytes = 0): (() => void)[] {
  const call = { tenant, deployment, bytes };
  const held: (() => void)[] = [];
  while (bulkhead.mayBegin(call)) held.push(bulkhead.begin(call));
  return held;
}

describe("the slots of an instance", () => {
  it("are kept by nobody alone: a tenant, a deployment, or a tenant at one deployment", () => {
    const one = made();
    expect(fill(one, "a", "lab").length).toBe(105); // seven eighths of a half
    expect(fill(one, "b", "lab").length).toBe(14);
    const other = made();
    expect(fill(other, "a", "lab").length + fill(other, "a", "lab-2").length).toBe(120);
    expect(fill(other, "b", "lab-3").length).toBe(53);
  });

  it("are given back once, however often that is said", () => {
    const one = made();
    const held = fill(one, "a", "lab");
    for (const leave of [...held, ...held]) leave();
    expect(fill(one, "a", "lab").length).toBe(held.length);
  });

  it("go by weight, where calls of several tenants come and go at one deployment", () => {
    const one = made();
    const running: Record<string, (() => void)[]> = { light: [], heavy: [] };
    // The light one was first, and had all it could get.
    running.light = fill(one, "light", "lab");
    for (let round = 0; round < 2_000; round++) {
      const all = Object.values(running).flat();
      const [ended] = all.splice((round * 7919) % all.length, 1);
      ended?.();
      for (const [tenant, held] of Object.entries(running)) {
        running[tenant] = held.filter((leave) => leave !== ended);
        running[tenant]?.push(...fill(one, tenant, "lab"));
      }
    }
    const { light = [], heavy = [] } = running;
    expect(heavy.length / light.length).toBeGreaterThan(2.7);
    expect(heavy.length / light.length).toBeLessThan(3.3);
  });

  it("count the memory of calls too: a tenant has half of it at most", () => {
    const one = made();
    expect(fill(one, "a", "lab", 100).length).toBe(5);
    expect(fill(one, "b", "lab", 100).length).toBe(3);
    expect(fill(one, "c", "lab", 1).length).toBeGreaterThan(50);
  });

  it("are never more than there are, and whoever has none gets one while any is free", () => {
    const names = fc.constantFrom("a", "b", "c", "heavy");
    const step = fc.record({ tenant: names, deployment: names, bytes: fc.nat(80), ends: fc.nat(300) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const bulkhead = made();
        let running: { tenant: string; deployment: string; bytes: number; leave: () => void }[] = [];
        for (const { ends, ...call } of steps) {
          for (const { leave } of running.slice(ends)) leave();
          running = running.slice(0, ends);
          if (bulkhead.mayBegin(call)) running.push({ ...call, leave: bulkhead.begin(call) });
          const of = (name: "tenant" | "deployment", value: string) =>
            running.filter((each) => each[name] === value).length;
          const bytes = running.reduce((sum, each) => sum + each.bytes, 0);
          expect(running.length).toBeLessThanOrEqual(CALLS);
          expect(bytes).toBeLessThanOrEqual(BYTES);
          for (const name of ["a", "b", "c", "heavy"]) {
            expect(of("tenant", name)).toBeLessThanOrEqual(CALLS / 2);
            expect(of("deployment", name)).toBeLessThanOrEqual(CALLS / 2);
          }
          if (running.length < CALLS)
            expect(bulkhead.mayBegin({ tenant: "new", deployment: "idle", bytes: 0 })).toBe(true);
        }
      }),
    );
  });

  it("leave something to the next of several that take all they can get", () => {
    const one = made();
    for (let n = 1; n <= 6; n++) expect(fill(one, `tenant-${n}`, `lab-${n}`).length).toBeGreaterThan(0);
    expect(one.mayBegin({ tenant: "new", deployment: "idle", bytes: 0 })).toBe(true);
  });
});

describe("requests that are read", () => {
  it("are few until it is decided what becomes of them; the next is read when one is", async () => {
    const one = made();
    const decided = await Promise.all(Array.from({ length: MAX_READING }, () => one.beginReading()));
    const begun: number[] = [];
    const waiting = [1, 2].map((n) => one.beginReading().then((leave) => ({ leave, n: begun.push(n) })));
    await Promise.resolve();
    expect(begun).toEqual([]);
    decided[0]?.();
    decided[0]?.();
    await waiting[0];
    await Promise.resolve();
    expect(begun).toEqual([1]);
    decided[1]?.();
    await waiting[1];
    expect(begun).toEqual([1, 2]);
  });
});
