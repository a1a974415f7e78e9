import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Problem } from "../../../shared/errors.ts";
import { createThrottle, type ThrottleDeps } from "../../../shared/http/throttle.ts";
import { MAX_UNKNOWN_CALLERS } from "../../../shared/limits.ts";
import type { LogFields } from "../../../shared/log.ts";
import { parseTenants, type SubmitLimits, type Tenant } from "../../../shared/tenant/tenants.ts";
import { type Bucket, takeToken } from "../../../shared/tenant/token-bucket.ts";
import { silent, TestClock } from "../world.ts";

function tenant(id: string, limits?: SubmitLimits): Tenant {
  const parsed = parseTenants({ tenants: [{ id, limits }] }, { local: false });
  if ("faults" in parsed) throw new Error(parsed.faults.join());
  const found = parsed.tenants.get(id);
  if (found === undefined) throw new Error("no tenant");
  return found;
}

/** What a refusal says, or undefined when it was let in. */
function refusal(run: () => unknown): { code: string; retryAfterSeconds: number | undefined } | undefined {
  try {
    run();
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof Problem)) throw thrown;
    return { code: thrown.code, retryAfterSeconds: thrown.retryAfterSeconds };
  }
}
const full = (retryAfterSeconds: number) => ({ code: "too_many_requests", retryAfterSeconds });

const busy = { code: "service_busy", retryAfterSeconds: 1 };

const clock = new TestClock();
const neverEnded = () => {
  throw new Error("ended early");
};
const throttle = (change: Partial<ThrottleDeps> = {}) =>
  createThrottle({
    maxInFlight: 8,
    maxHeld: 4,
    maxBodyBytes: 2 ** 28,
    submitsPerSecond: 0,
    clock,
    ...change,
  });

describe("a token bucket", () => {
  it("never lets more pass in any span than the burst and what was filled in since", () => {
    const limits = fc.record({
      perSecond: fc.double({ min: 0.01, max: 1000, noNaN: true }),
      burst: fc.integer({ min: 1, max: 50 }),
    });
    fc.assert(
      fc.property(limits, fc.array(fc.integer({ min: 0, max: 5_000 })), (limits, pauses) => {
        let bucket: Bucket | undefined;
        let nowMs = 0;
        const passed: number[] = [];
        for (const pause of pauses) {
          nowMs += pause;
          const taken = takeToken(bucket, limits, nowMs);
          bucket = taken.bucket;
          if (taken.taken) passed.push(nowMs);
          else {
            // And it keeps its word: a little before there is none yet, then there is one.
            expect(taken.waitMs).toBeGreaterThan(0);
            expect(takeToken(bucket, limits, nowMs + taken.waitMs * 0.99 - 0.01).taken).toBe(false);
            expect(takeToken(bucket, limits, nowMs + taken.waitMs + 0.01).taken).toBe(true);
          }
        }
        for (let from = 0; from < passed.length; from++) {
          for (let to = from; to < passed.length; to++) {
            const spanMs = (passed[to] ?? 0) - (passed[from] ?? 0);
            const most = limits.burst + (spanMs * limits.perSecond) / 1000;
            expect(to - from + 1).toBeLessThanOrEqual(most + 1e-6);
          }
        }
      }),
    );
  });

  it("bears a clock that stands still or goes back, and limits that change", () => {
    const limits = { perSecond: 1, burst: 2 };
    const { bucket } = takeToken(undefined, limits, 1_000);
    expect(takeToken(bucket, limits, 500).bucket.tokens).toBe(0);
    expect(takeToken({ tokens: 50, atMs: 0 }, limits, 0).bucket.tokens).toBe(1);
  });
});

describe("submits", () => {
  it("are limited for each tenant by itself, with the time after which to come again", () => {
    const own = throttle();
    const a = tenant("a", { submits_per_second: 0.5, burst: 3 });
    const b = tenant("b", { submits_per_second: 10 });
    const submit = (who: Tenant) => refusal(() => own.submit(who, silent));
    expect([submit(a), submit(a), submit(a), submit(a)]).toEqual([undefined, undefined, undefined, full(2)]);
    for (let n = 0; n < 10; n++) expect(submit(b)).toBeUndefined();
    expect(submit(b)).toEqual(full(1));
    clock.advance(2_000);
    expect([submit(a), submit(a)]).toEqual([undefined, full(2)]);
  });

  it("of a tenant without limits follow the setting; without that they are not limited", () => {
    const a = tenant("a");
    const limited = throttle({ submitsPerSecond: 2 });
    const submit = () => refusal(() => limited.submit(a, silent));
    expect([submit(), submit(), submit()]).toEqual([undefined, undefined, full(1)]);
    const open = throttle();
    for (let n = 0; n < 1_000; n++) open.submit(a, silent);
  });

  it("follow the tenants file: new limits hold at once", () => {
    const own = throttle();
    own.submit(tenant("a", { submits_per_second: 1, burst: 1 }), silent);
    expect(refusal(() => own.submit(tenant("a", { submits_per_second: 1, burst: 1 }), silent))).toEqual(
      full(1),
    );
    expect(refusal(() => own.submit(tenant("a"), silent))).toBeUndefined();
  });
});

describe("requests in flight", () => {
  it("are bounded, and there is room again as soon as one has been answered", () => {
    const own = throttle({ maxInFlight: 2 });
    const [a, b] = [tenant("a"), tenant("b")];
    const leave = [own.enter(a, silent), own.enter(b, silent)];
    expect(refusal(() => own.enter(a, silent))).toEqual(full(1));
    leave[0]?.();
    expect(refusal(() => own.enter(a, silent))).toBeUndefined();
  });

  it("of one tenant leave room for the others", () => {
    const own = throttle({ maxInFlight: 8 });
    const [a, b] = [tenant("a"), tenant("b")];
    const leave = Array.from({ length: 6 }, () => own.enter(a, silent));
    expect(refusal(() => own.enter(a, silent))).toEqual(full(1));
    expect(refusal(() => own.enter(b, silent))).toBeUndefined();
    for (const each of leave) each();
    expect(refusal(() => own.enter(a, silent))).toBeUndefined();
  });

  it("do not count those that only wait for a job's end", () => {
    const own = throttle({ maxInFlight: 1 });
    const a = tenant("a");
    const waits = Array.from({ length: 3 }, () => {
      const leave = own.enter(a, silent);
      return { leave, endWait: own.beginWait(a, neverEnded) };
    });
    own.enter(a, silent);
    expect(refusal(() => own.enter(a, silent))).toEqual(full(1));
    for (const { leave, endWait } of waits) {
      endWait();
      leave();
    }
    expect(refusal(() => own.enter(a, silent))).toEqual(full(1));
  });

  it("whose callers are not known yet have a bound of their own, and take no room from those that are", () => {
    const own = throttle({ maxInFlight: 8 });
    const leave = Array.from({ length: MAX_UNKNOWN_CALLERS }, () => own.enterUnknown(silent));
    expect(refusal(() => own.enterUnknown(silent))).toEqual(busy);
    expect(refusal(() => own.enter(tenant("a"), silent))).toBeUndefined();
    leave[0]?.();
    expect(refusal(() => own.enterUnknown(silent))).toBeUndefined();
  });
});

describe("bodies in hand", () => {
  const MEGABYTE = 2 ** 20;

  it("count eight times their bytes while they are parsed, and one tenant's at most half of what there is", () => {
    const own = throttle({ maxBodyBytes: 256 * MEGABYTE });
    const [a, b, c] = [tenant("a"), tenant("b"), tenant("c")];
    const leave = Array.from({ length: 16 }, () => own.takeBody(a, MEGABYTE, silent));
    expect(refusal(() => own.takeBody(a, MEGABYTE, silent))).toEqual(busy);
    for (let n = 0; n < 8; n++) own.takeBody(b, MEGABYTE, silent);
    expect(refusal(() => own.takeBody(b, MEGABYTE, silent))).toEqual(busy);
    expect(refusal(() => own.takeBody(c, 1_000, silent))).toBeUndefined();
    for (const each of leave) each.leave();
    expect(refusal(() => own.takeBody(a, MEGABYTE, silent))).toBeUndefined();
  });

  it("count four times the bytes that came until they are answered, however slow the store is", () => {
    const own = throttle({ maxBodyBytes: 256 * MEGABYTE });
    const a = tenant("a");
    const takeAll = () => {
      const taken = [];
      for (let room = take(); room !== undefined; room = take()) {
        room.parsed(MEGABYTE);
        taken.push(room);
      }
      return taken;
    };
    const take = () => {
      try {
        return own.takeBody(a, 2 * MEGABYTE, silent);
      } catch {
        return undefined;
      }
    };
    const taken = takeAll();
    expect(taken).toHaveLength(31);
    for (const { leave } of taken.slice(0, 4)) leave();
    expect(takeAll()).toHaveLength(4);
  });

  it("the largest one is read by the smallest instance, alone", () => {
    const own = throttle({ maxBodyBytes: 32 * MEGABYTE });
    const largest = own.takeBody(tenant("a"), 8 * MEGABYTE, silent);
    expect(refusal(() => own.takeBody(tenant("b"), 1, silent))).toEqual(busy);
    largest.parsed(8 * MEGABYTE);
    largest.leave();
    expect(refusal(() => own.takeBody(tenant("b"), 1, silent))).toBeUndefined();
  });
});

it("questions that cost much are answered one at a time for each tenant", () => {
  const own = throttle();
  const answered = own.ask(tenant("a"), silent);
  expect(refusal(() => own.ask(tenant("a"), silent))).toEqual(full(1));
  expect(refusal(() => own.ask(tenant("b"), silent))).toBeUndefined();
  answered();
  expect(refusal(() => own.ask(tenant("a"), silent))).toBeUndefined();
});

describe("held calls beyond what an instance may hold", () => {
  it("end the longest wait of the tenant that holds most, one for each that comes", () => {
    const own = throttle({ maxInFlight: 100, maxHeld: 4 });
    const ended: string[] = [];
    const hold = (name: string) => own.beginWait(tenant(name[0] ?? ""), () => ended.push(name));
    hold("b1");
    hold("a1");
    const endA2 = hold("a2");
    hold("a3");
    expect(ended).toEqual([]);
    hold("b2");
    expect(ended).toEqual(["a1"]);
    // What has ended by itself makes room.
    endA2();
    hold("c1");
    expect(ended).toEqual(["a1"]);
    hold("c2");
    hold("c3");
    expect(ended).toEqual(["a1", "b1", "c1"]);
  });

  it("of one tenant alone leave a quarter to others", () => {
    const own = throttle({ maxInFlight: 100, maxHeld: 8 });
    let ended = 0;
    for (let n = 0; n < 20; n++) own.beginWait(tenant("a"), () => ended++);
    expect(ended).toBe(14);
    own.beginWait(tenant("b"), neverEnded);
    own.beginWait(tenant("b"), neverEnded);
    expect(ended).toBe(14);
  });

  it("are counted once, however they end", () => {
    const own = throttle({ maxInFlight: 100, maxHeld: 1 });
    let ended = 0;
    const end = own.beginWait(tenant("a"), () => ended++);
    own.beginWait(tenant("a"), neverEnded)();
    end();
    expect(ended).toBe(1);
    own.beginWait(tenant("a"), () => ended++);
    expect(ended).toBe(1);
    own.beginWait(tenant("a"), neverEnded);
    expect(ended).toBe(2);
  });
});

it("refusals are told at once, then counted and told every ten seconds", () => {
  const lines: LogFields[] = [];
  const log = { ...silent, warn: (_event: string, fields: LogFields = {}) => void lines.push(fields) };
  const own = throttle({ submitsPerSecond: 1 });
  const a = tenant("a");
  own.submit(a, log);
  for (let n = 0; n < 5; n++) refusal(() => own.submit(a, log));
  expect(lines).toEqual([{ limit: "submits", tenant: "a", refused: 1 }]);
  clock.advance(10_000);
  own.submit(a, log);
  refusal(() => own.submit(a, log));
  expect(lines).toHaveLength(2);
  expect(lines[1]).toMatchObject({ refused: 5 });
});
