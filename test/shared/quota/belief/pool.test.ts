import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DeploymentLimits } from "../../../../local/model-endpoints/profiles.ts";
import { RateLimiter } from "../../../../local/model-endpoints/rate-limit.ts";
import { seeded } from "../../../../local/model-endpoints/seeded.ts";
import { quotaHeadersOf } from "../../../../shared/model/protocol/openai/quota-headers.ts";
import type { Belief } from "../../../../shared/quota/belief/belief.ts";
import {
  expectNothing,
  giveBackTo,
  isLimited,
  learn,
  newPool,
  type Pool,
  poolAt,
  poolHasRoom,
  poolRoomAtMs,
  type Taken,
  takeFrom,
  takenOf,
  withLimits,
} from "../../../../shared/quota/belief/pool.ts";

const START = 1_000_000;
const CALL_MS = 300;
const NOTHING = { requests: null, tokens: null };

interface Run {
  readonly limits: DeploymentLimits;
  /** As the catalogue has them. */
  readonly configured?: { requests_per_minute?: number; tokens_per_minute?: number; window_seconds?: number };
  readonly seconds: number;
  /** How much more the server counts than is estimated. */
  readonly factor?: number;
  readonly callMs?: number;
  readonly seed?: string;
}

/** Sends all it may to a deployment that is limited so, and learns from its answers, some on their way longer. */
function drive({ limits, configured, seconds, factor = 1, callMs = CALL_MS, seed = "1" }: Run) {
  const random = seeded(seed);
  const limiter = new RateLimiter(limits);
  let pool: Pool = newPool(
    configured ?? {
      requests_per_minute: limits.requestsPerMinute,
      tokens_per_minute: limits.tokensPerMinute,
    },
    START,
  );
  let due: { atMs: number; run: () => void }[] = [];
  let sent = 0;
  let refused = 0;
  let tokens = 0;
  const send = (taken: Taken) => {
    const { tokens: estimate, at_ms: nowMs } = taken;
    const arrived_ms = nowMs + Math.round(random() * 40);
    const counted = Math.round(estimate * factor);
    const arrive = () => {
      const admission = limiter.admit(arrived_ms, counted);
      sent++;
      if (admission.admitted) tokens += counted;
      else refused++;
      const headers = quotaHeadersOf({ get: (name) => admission.headers[name] ?? null }) ?? NOTHING;
      const retry_after_ms = admission.admitted ? null : admission.retryAfterMs;
      const answeredMs = arrived_ms + (admission.admitted ? callMs : 5);
      const heard = () => {
        const news = {
          taken,
          refused: !admission.admitted,
          headers,
          retry_after_ms,
          arrived_ms,
          exact: true,
        };
        pool = learn(poolAt(pool, answeredMs), news, answeredMs);
      };
      due.push({ atMs: answeredMs, run: heard });
    };
    due.push({ atMs: arrived_ms, run: arrive });
  };
  let next = Math.ceil(100 + random() * 1_900);
  for (let nowMs = START; nowMs < START + seconds * 1000; nowMs += 10) {
    for (const each of due.filter(({ atMs }) => atMs <= nowMs).sort((a, b) => a.atMs - b.atMs)) each.run();
    due = due.filter(({ atMs }) => atMs > nowMs);
    pool = poolAt(pool, nowMs);
    const burst: Taken[] = [];
    while (poolHasRoom(pool, next, nowMs)) {
      pool = takeFrom(pool, 1, next);
      burst.push(takenOf(pool, next, nowMs));
      next = Math.ceil(100 + random() * 1_900);
    }
    const burst_tokens = burst.reduce((sum, each) => sum + each.tokens, 0);
    for (const taken of burst) send({ ...taken, burst_requests: burst.length, burst_tokens });
    expect(poolRoomAtMs(pool, next, nowMs)).toBeGreaterThan(nowMs - 1);
  }
  return { sent, refused, tokens, pool };
}

const LIMIT = { requestsPerMinute: 600, tokensPerMinute: 540_000 };
const bucket: DeploymentLimits = { ...LIMIT, windowSeconds: 1, tokensWindowSeconds: 1, shape: "bucket" };
const window: DeploymentLimits = { ...LIMIT, windowSeconds: 20, tokensWindowSeconds: 20, shape: "window" };

describe("learns how a deployment is limited, and uses nearly all of it", () => {
  const used = (run: { tokens: number }, seconds: number) => run.tokens / (9_000 * seconds);

  it("a bucket that is refilled steadily", () => {
    const run = drive({ limits: bucket, seconds: 40, factor: 1.04 });
    expect(run.pool.tokens?.shape).toBe("bucket");
    expect(used(run, 40)).toBeGreaterThan(0.97);
    expect(run.refused / run.sent).toBeLessThan(0.01);
  });

  it("a bucket whose calls take long: what was refused meanwhile, and what flowed back, is not learnt twice", () => {
    const slow: DeploymentLimits = { ...bucket, windowSeconds: 15, tokensWindowSeconds: 15 };
    const runs = Array.from({ length: 10 }, (_, n) =>
      drive({ limits: slow, seconds: 60, factor: 1.04, callMs: 4_000, seed: `${n + 1}` }),
    );
    const refused = runs.reduce((sum, run) => sum + run.refused / run.sent, 0) / runs.length;
    expect(refused).toBeLessThan(0.01);
    for (const run of runs) expect(used(run, 60)).toBeGreaterThan(0.97);
  });

  it("a bucket of a second whose answers come later than it is full again", () => {
    const run = drive({ limits: bucket, seconds: 40, callMs: 2_000 });
    expect(used(run, 40)).toBeGreaterThan(0.97);
    expect(run.refused / run.sent).toBeLessThan(0.02);
  });

  it("a window of a second by its rate, for a bucket taken for one would never be seen to be a bucket again", () => {
    const run = drive({ limits: { ...bucket, shape: "window" }, seconds: 60, seed: "6" });
    expect(run.pool.tokens?.shape).toBe("bucket");
    expect(used(run, 60)).toBeGreaterThan(0.85);
  });

  it("fixed windows", () => {
    const run = drive({ limits: window, seconds: 58, factor: 1.04 });
    expect(run.pool.tokens?.shape).toBe("window");
    expect(used(run, 60)).toBeGreaterThan(0.97);
    expect(run.refused / run.sent).toBeLessThan(0.01);
  });

  it("half of it, where a stranger takes the other half", () => {
    const run = drive({ limits: { ...bucket, strangerShare: 0.5 }, seconds: 40 });
    expect(used(run, 20)).toBeGreaterThan(0.95);
    expect(run.refused / run.sent).toBeLessThan(0.05);
  });

  it("the true limit, where the catalogue's is twice too high", () => {
    const configured = { requests_per_minute: 1_200, tokens_per_minute: 1_080_000 };
    const run = drive({ limits: bucket, configured, seconds: 40 });
    expect(run.pool.tokens?.per_second).toBe(9_000);
    expect(used(run, 40)).toBeGreaterThan(0.95);
    expect(run.refused / run.sent).toBeLessThan(0.05);
  });

  it("from refusals alone, where answers say nothing", () => {
    const configured = { requests_per_minute: 1_200, tokens_per_minute: 1_080_000 };
    const run = drive({ limits: { ...bucket, headers: false }, configured, seconds: 60 });
    expect(used(run, 60)).toBeGreaterThan(0.75);
    expect(run.refused / run.sent).toBeLessThan(0.1);
  });

  it("a fixed window whose answers say nothing, where its length is known, by one early refusal in each", () => {
    const limits = { ...window, headers: false };
    const configured = { requests_per_minute: 600, tokens_per_minute: 540_000, window_seconds: 20 };
    const runs = ["1", "2", "3"].map((seed) =>
      drive({ limits, configured, seconds: 58, factor: 1.04, seed }),
    );
    for (const run of runs) {
      expect(run.pool.tokens?.shape).toBe("window");
      expect(used(run, 60)).toBeGreaterThan(0.97);
    }
    expect(runs.reduce((sum, run) => sum + run.refused / run.sent, 0) / runs.length).toBeLessThan(0.01);
  });

  it.each([
    { says: {}, what: "nothing" },
    { says: { window_seconds: 20 }, what: "that it is counted over 20 s" },
    { says: { shape: "bucket" as const }, what: "that it is one" },
  ])("a bucket of a second whose answers say nothing, where the catalogue says $what", ({ says }) => {
    const limits = { ...bucket, headers: false };
    const configured = { requests_per_minute: 600, tokens_per_minute: 540_000, ...says };
    const run = drive({ limits, configured, seconds: 60, factor: 1.04 });
    expect(run.pool.tokens?.shape).toBe("bucket");
    expect(used(run, 60)).toBeGreaterThan(0.97);
    expect(run.refused / run.sent).toBeLessThan(0.015);
  });

  it("no more than the catalogue's, where the true one is larger", () => {
    const configured = { requests_per_minute: 300, tokens_per_minute: 270_000 };
    const run = drive({ limits: bucket, configured, seconds: 40 });
    expect(used(run, 20)).toBeLessThan(1.06);
    expect(run.refused).toBe(0);
  });

  /** What is refused of all calls, and what is used of the quota, over 40 s. */
  const shares = ({ perSecond, seconds, shape, factor, seed }: Limited) => {
    const limits: DeploymentLimits = {
      ...{ shape, requestsPerMinute: perSecond * 60, tokensPerMinute: perSecond * 60 * 1_000 },
      ...{ windowSeconds: seconds, tokensWindowSeconds: seconds },
    };
    const run = drive({ limits, seconds: 40, factor, seed });
    return { refused: run.refused / run.sent, used: run.tokens / (perSecond * 1_000 * 40), pool: run.pool };
  };
  interface Limited {
    readonly perSecond: number;
    readonly seconds: number;
    readonly shape: "bucket" | "window";
    readonly factor: number;
    readonly seed: string;
  }

  it("and never storms, whatever the limit, the window and the seed", { tags: ["long"] }, () => {
    const any = fc.record({
      perSecond: fc.integer({ min: 5, max: 60 }),
      seconds: fc.constantFrom(1, 2, 10, 20),
      shape: fc.constantFrom("bucket" as const, "window" as const),
      factor: fc.constantFrom(0.9, 1, 1.05),
      seed: fc.nat(1_000).map(String),
    });
    const holds = (limited: Limited) => {
      const { refused, used } = shares(limited);
      expect(refused).toBeLessThan(0.35);
      expect(used).toBeGreaterThan(0.65);
    };
    fc.assert(
      fc.property(any, holds),
      process.env.LONG === "1" ? { numRuns: 300 } : { numRuns: 20, seed: 1 },
    );
  });

  it("tells windows from buckets, though calls overtake each other on the way and are not counted as estimated", {
    tags: ["long"],
  }, () => {
    for (const shape of ["bucket", "window"] as const)
      for (let seed = 0; seed < 12; seed++) {
        const factor = [0.9, 1, 1.05][seed % 3] ?? 1;
        const { pool } = shares({
          perSecond: 5 + ((seed * 37) % 56),
          seconds: 2,
          shape,
          factor,
          seed: `${seed}`,
        });
        expect([seed, pool.requests?.shape, pool.tokens?.shape]).toEqual([seed, shape, shape]);
      }
  });

  it("uses windows of two seconds that were once taken for a bucket for good", () => {
    const limited = { perSecond: 56, seconds: 2, shape: "window" as const, factor: 0.9, seed: "498" };
    expect(shares(limited).used).toBeGreaterThan(0.85);
  });
});

describe("a pool without limits", () => {
  const free = newPool({}, START);
  const taken = takenOf(free, 1_000, START);
  const refusal = { taken, refused: true, retry_after_ms: 2_000, arrived_ms: START, exact: true };

  it("has room for anything", () => {
    expect(isLimited(free)).toBe(false);
    expect(poolHasRoom(free, 1e9, START)).toBe(true);
  });

  it("learns from a refusal that it has some, and keeps away as long as it was asked to", () => {
    const headers = { requests: null, tokens: { per_minute: 60_000, left: 0, reset_ms: 60_000 } };
    const learnt = learn(free, { ...refusal, headers }, START);
    expect(learnt.tokens?.per_second).toBe(1_000);
    expect(poolHasRoom(poolAt(learnt, START + 1_999), 1, START + 1_999)).toBe(false);
    expect(poolRoomAtMs(learnt, 1, START)).toBeGreaterThanOrEqual(START + 2_000);
    const silent = learn(free, { ...refusal, headers: { requests: null, tokens: null } }, START);
    expect(isLimited(silent)).toBe(true);
  });
});

describe("as long as the shape is unknown", () => {
  const limits = { requests_per_minute: 600, tokens_per_minute: 60_000 };
  const first = takeFrom(newPool(limits, START), 1, 900);
  /** One call, refused: so much was left. */
  const refusedBy = (tokens: { left: number; reset_ms: number | null }) => {
    const news = { taken: takenOf(first, 900, START), refused: true, retry_after_ms: 1, exact: true };
    const headers = { requests: null, tokens: { per_minute: 60_000, ...tokens } };
    return learn(first, { ...news, headers, arrived_ms: START }, START);
  };

  it("sends no call that is larger than all that can have come since an answer told what was left", () => {
    const pool = refusedBy({ left: 100, reset_ms: null });
    // As much as is safe to try is there after half a second, and such a call goes whatever it asks for.
    for (const [tokens, afterMs] of [
      [600, 500],
      [3_100, 3_000],
      [5_100, 5_000],
    ] as const) {
      const earlyMs = START + afterMs - 1;
      expect([tokens, poolHasRoom(poolAt(pool, earlyMs), tokens, earlyMs)]).toEqual([tokens, false]);
      const atMs = poolRoomAtMs(poolAt(pool, earlyMs), tokens, earlyMs);
      expect(atMs).toBeGreaterThanOrEqual(START + afterMs);
      expect(atMs).toBeLessThan(START + afterMs + 100);
      expect(poolHasRoom(poolAt(pool, atMs), tokens, atMs)).toBe(true);
    }
  });

  it("lets jobs that wait go as if nothing were there, until an answer has told, or so long", () => {
    const pool = expectNothing(newPool(limits, START), START);
    const roomAtMs = (tokens: number) => {
      const atMs = poolRoomAtMs(pool, tokens, START);
      expect(poolHasRoom(poolAt(pool, atMs - 10), tokens, atMs - 10)).toBe(false);
      expect(poolHasRoom(poolAt(pool, atMs), tokens, atMs)).toBe(true);
      return atMs;
    };
    expect(roomAtMs(900)).toBeGreaterThan(START + 900);
    expect(roomAtMs(900)).toBeLessThan(START + 1_200);
    // However large the call, and however slowly quota flows.
    expect(roomAtMs(50_000)).toBe(START + 3_000);
    const slow = { requests_per_minute: 1, tokens_per_minute: 1_000 };
    expect(poolRoomAtMs(expectNothing(newPool(slow, START), START), 900, START)).toBe(START + 3_000);
    // What an answer has told is believed.
    const told = refusedBy({ left: 100, reset_ms: null });
    expect(expectNothing(told, START)).toEqual(told);
    expect(expectNothing(newPool({}, START), START)).toEqual(newPool({}, START));
  });

  it.each(["bucket", "window"] as const)("then learns from answers as it does without: a %s", (shape) => {
    const told = {
      requestsPerMinute: 600,
      tokensPerMinute: 60_000,
      windowSeconds: 20,
      tokensWindowSeconds: 20,
    };
    const limiter = new RateLimiter({ ...told, shape });
    let pool = expectNothing(newPool(limits, START), START);
    let refused = 0;
    // Calls of 100 tokens, as they have room; each is answered at once.
    for (let nowMs = START; nowMs < START + 15_000; nowMs += 50) {
      pool = poolAt(pool, nowMs);
      if (!poolHasRoom(pool, 100, nowMs)) continue;
      pool = takeFrom(pool, 1, 100);
      const { admitted, headers } = limiter.admit(nowMs, 100);
      if (!admitted) refused++;
      const quota = quotaHeadersOf({ get: (name) => headers[name] ?? null }) ?? NOTHING;
      const taken = takenOf(pool, 100, nowMs);
      pool = learn(
        pool,
        { taken, refused: !admitted, headers: quota, retry_after_ms: null, arrived_ms: nowMs, exact: true },
        nowMs,
      );
    }
    expect([pool.tokens?.shape, refused]).toEqual([shape, 0]);
  });

  it("sends it once all is there again, by the answer's own word", () => {
    const atMs = START + 2_000;
    const pool = poolAt(refusedBy({ left: 100, reset_ms: 2_000 }), atMs);
    expect(poolHasRoom(pool, 30_000, atMs)).toBe(true);
  });
});

it("does not take a window for over that began as a call met the end of the one before", () => {
  let pool: Pool = newPool({ tokens_per_minute: 60_000 }, START);
  const heard = (taken: Taken, arrivedMs: number, left: number, resetMs: number, refused = false) => {
    const headers = { requests: null, tokens: { per_minute: 60_000, left, reset_ms: resetMs } };
    const retry_after_ms = refused ? 1 : null;
    const news = { taken, refused, headers, retry_after_ms, arrived_ms: arrivedMs, exact: false };
    pool = learn(poolAt(pool, arrivedMs), news, arrivedMs);
  };
  const send = (nowMs: number) => {
    pool = takeFrom(poolAt(pool, nowMs), 1, 100);
    return takenOf(pool, 100, nowMs);
  };
  // 20,000 in windows of 20 s: nothing flows back.
  for (let n = 1; n <= 60; n++)
    heard(send(START + n * 300), START + n * 300, 20_000 - n * 100, 20_000 - n * 300);
  const windowOf = ({ tokens }: Pool) => {
    if (tokens?.shape !== "window") throw new Error("it is no window");
    return tokens;
  };
  const nextMs = (windowOf(pool).window?.ends_ms ?? 0) + 100;
  const early = send(nextMs);
  expect(windowOf(pool).window?.began_ms).toBe(nextMs);
  const whole = windowOf(pool).capacity;
  heard(early, nextMs, 50, 1_000, true);
  // The one that began has all but nothing used of it, and its whole length before it.
  const later = windowOf(poolAt(pool, nextMs + 1_500));
  expect(later.window?.began_ms).toBe(nextMs);
  expect(later.level).toBeCloseTo(whole);
});

it("is not shut for longer than a wrong clock was believed, or by what no header can mean", () => {
  const told = { per_minute: 1e-7, left: -1e11, reset_ms: 8e15 };
  const limits = { requests_per_minute: 600, tokens_per_minute: 60_000 };
  for (const named of [limits, {}]) {
    let pool = takeFrom(newPool(named, START), 1, 100);
    for (const refused of [false, true]) {
      const news = { taken: takenOf(pool, 100, START), refused, retry_after_ms: 1_000, exact: true };
      const headers = { requests: told, tokens: told };
      pool = learn(pool, { ...news, headers, arrived_ms: START }, START);
    }
    expect(poolRoomAtMs(pool, 100, START)).toBeLessThan(START + 120_000);
  }
  // Two hours ahead, it learnt and was refused.
  const aheadMs = START + 7_200_000;
  const ahead = learn(
    takeFrom(newPool(limits, aheadMs), 1, 100),
    {
      ...{ taken: takenOf(newPool(limits, aheadMs), 100, aheadMs), refused: true, retry_after_ms: 5_000 },
      ...{ headers: NOTHING, arrived_ms: aheadMs, exact: true },
    },
    aheadMs,
  );
  const now = poolAt(ahead, START);
  expect(poolRoomAtMs(now, 100, START)).toBeLessThan(START + 601_000);
  expect(poolHasRoom(poolAt(now, START + 601_000), 100, START + 601_000)).toBe(true);
});

const noise = fc.oneof(
  fc.constantFrom(0, -1, 1e-9, -1e11, 1e15, 8e15, -8e15, Infinity, -Infinity, Number.NaN, 2 ** 53),
  fc.double({ noDefaultInfinity: false }),
  fc.integer({ min: -100_000, max: 100_000 }),
);
const LIMITS = [{ requests_per_minute: 600, tokens_per_minute: 60_000 }, { requests_per_minute: 1 }, {}];

/** Whatever is believed, some call goes within the ten minutes after which a pool counts as forgotten. */
function expectAlive(pool: Pool, nowMs: number): void {
  for (const belief of [pool.requests, pool.tokens])
    for (const value of Object.values(belief ?? {}))
      if (typeof value === "number") expect(Number.isFinite(value)).toBe(true);
  const atMs = poolRoomAtMs(poolAt(pool, nowMs), 100, nowMs);
  expect(atMs).toBeLessThanOrEqual(nowMs + 600_000);
  expect(poolHasRoom(poolAt(pool, nowMs + 600_000), 100, nowMs + 600_000)).toBe(true);
}

it("is never closed for good by what headers say, whatever that is", () => {
  const limit = fc.option(
    fc.record({ per_minute: fc.option(noise), left: noise, reset_ms: fc.option(noise) }),
  );
  const answers = fc.array(
    fc.record({ requests: limit, tokens: limit, refused: fc.boolean(), retry: fc.option(noise) }),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(fc.constantFrom(...LIMITS), answers, (limits, told) => {
      let pool = newPool(limits, START);
      let nowMs = START;
      for (const { requests, tokens, refused, retry } of told) {
        pool = takeFrom(poolAt(pool, nowMs), 1, 100);
        const taken = takenOf(pool, 100, nowMs);
        nowMs += 500;
        const retry_after_ms = retry === null || !(retry >= 0) ? null : Math.min(retry, 600_000);
        const news = { taken, refused, headers: { requests, tokens }, retry_after_ms, exact: true };
        pool = learn(poolAt(pool, nowMs), { ...news, arrived_ms: nowMs }, nowMs);
      }
      expectAlive(pool, nowMs);
    }),
    { numRuns: process.env.LONG === "1" ? 5_000 : 300 },
  );
});

it("is never closed for good by what was stored, whatever that is", () => {
  const anyNumber = noise.filter((value) => Number.isFinite(value));
  fc.assert(
    fc.property(fc.constantFrom(...LIMITS), fc.array(anyNumber, { minLength: 16 }), (limits, numbers) => {
      const fresh = newPool(limits, START);
      let n = 0;
      const changed = (belief: Pool["requests"]) =>
        belief === null
          ? null
          : (Object.fromEntries(
              Object.entries(belief).map(([name, value]) => [
                name,
                typeof value === "number" && name !== "ceiling_per_second" ? numbers[n++ % 16] : value,
              ]),
            ) as Pool["requests"]);
      const not_before_ms = numbers[15] ?? 0;
      const stored = { ...fresh, requests: changed(fresh.requests), tokens: changed(fresh.tokens) };
      const read = withLimits({ ...stored, not_before_ms, heard_ms: START }, limits, START);
      const pool = poolAt(read, START);
      expect(poolRoomAtMs(pool, 100, START)).toBeLessThanOrEqual(START + 720_000);
      expect(poolHasRoom(poolAt(pool, START + 720_000), 100, START + 720_000)).toBe(true);
    }),
    { numRuns: process.env.LONG === "1" ? 5_000 : 300 },
  );
});

it("lets one call through that nobody has heard of for ten minutes, whatever it believes", () => {
  const pool = newPool({ requests_per_minute: 60 }, START);
  const emptied: Pool = { ...pool, requests: { ...(pool.requests as Belief), level: -1e9 } };
  expect(poolHasRoom(poolAt(emptied, START + 599_000), 1, START + 599_000)).toBe(false);
  expect(poolRoomAtMs(emptied, 1, START)).toBe(START + 600_000);
  const later = poolAt(emptied, START + 600_000);
  expect(poolHasRoom(later, 1, START + 600_000)).toBe(true);
  expect(poolHasRoom(takeFrom(later, 1, 1), 1, START + 600_000)).toBe(false);
});

it("bears a clock that is behind the one that wrote it", () => {
  const pool = takeFrom(newPool({ requests_per_minute: 600 }, START), 1, 1);
  expect(poolAt(pool, START - 30_000).requests).toEqual(pool.requests);
});

it("lets a call go that is larger than all there can be, once all is there, and then waits as long", () => {
  const pool = newPool({ tokens_per_minute: 60_000 }, START);
  const huge = takeFrom(pool, 1, 50_000);
  expect(poolHasRoom(pool, 50_000, START)).toBe(true);
  expect(poolRoomAtMs(huge, 1_000, START)).toBeGreaterThan(START + 50_000);
});

it("is held up for no longer than a minute by one call, whatever that asks for", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 600, max: 1_000_000 }),
      fc.option(fc.integer({ min: 1, max: 600 }), { nil: undefined }),
      fc.integer({ min: 1, max: 1e15 }),
      (perMinute, windowSeconds, tokens) => {
        const pool = newPool({ tokens_per_minute: perMinute, window_seconds: windowSeconds }, START);
        const taken = takeFrom(pool, 1, tokens);
        // Paced a little below the rate, as long as nothing is known.
        expect(poolRoomAtMs(taken, 1, START)).toBeLessThan(START + 66_000);
        // Not let go after all: as if it had never been.
        const back = giveBackTo(taken, 1, tokens).tokens;
        expect(back?.level).toBeCloseTo(pool.tokens?.level ?? Number.NaN);
        expect(back?.spent).toBe(0);
      },
    ),
  );
});
