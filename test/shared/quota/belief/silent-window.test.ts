import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FixedWindow } from "../../../../local/model-endpoints/allowance.ts";
import { seeded } from "../../../../local/model-endpoints/seeded.ts";
import {
  learn,
  newPool,
  type Pool,
  poolAt,
  poolHasRoom,
  takeFrom,
  takenOf,
} from "../../../../shared/quota/belief/pool.ts";

/**
 * A lab that counts tokens in windows, and says nothing of them but when to come again. Its windows begin as calls
 * arrive, which is some time after they were let go, and answers are heard of later still.
 */
const START = 1_700_000_000_000;
const WINDOW_SECONDS = 20;
const PER_MINUTE = 540_000;
const WHOLE = (PER_MINUTE * WINDOW_SECONDS) / 60;
const CALL = 1_000;
const WINDOWS = 6;
const TICK_MS = 10;

interface Played {
  readonly pool: Pool;
  /** Tokens let in. */
  readonly admitted: number;
  readonly refused: number;
  readonly calls: number;
}

interface Way {
  /** Calls let go in a tick, at most. */
  readonly atOnce: number;
  /** Until a call is sent, which is known, and from then until it arrives: ms, at most. */
  readonly sendMs: number;
  readonly wireMs: number;
}

/** A backlog that never ends, for so many windows. */
function played(seed: string, { atOnce, sendMs, wireMs }: Way): Played {
  const random = seeded(seed);
  const server = new FixedWindow(PER_MINUTE, WINDOW_SECONDS, 0);
  const limits = { requests_per_minute: 1e6, tokens_per_minute: PER_MINUTE, window_seconds: WINDOW_SECONDS };
  let pool = newPool(limits, START);
  let [admitted, refused, calls] = [0, 0, 0];
  const due: { atMs: number; run: () => void }[] = [];
  for (let nowMs = START; nowMs < START + WINDOWS * WINDOW_SECONDS * 1000; nowMs += TICK_MS) {
    due.sort((a, b) => a.atMs - b.atMs);
    while ((due[0]?.atMs ?? Infinity) <= nowMs) due.shift()?.run();
    pool = poolAt(pool, nowMs);
    for (let n = 0; n < atOnce && poolHasRoom(pool, CALL, nowMs); n++) {
      pool = takeFrom(pool, 1, CALL);
      calls++;
      const taken = takenOf(pool, CALL, nowMs);
      const sentMs = nowMs + random() * sendMs;
      const arrivedMs = sentMs + random() * wireMs;
      const arrives = () => {
        server.moveTo(arrivedMs);
        const isIn = server.left >= CALL;
        if (isIn) server.take(CALL);
        const retry_after_ms = isIn ? null : server.waitMs(CALL);
        const heardMs = arrivedMs + (isIn ? 300 : 20);
        const hears = () => {
          const news = { taken, refused: !isIn, headers: { requests: null, tokens: null }, retry_after_ms };
          pool = learn(poolAt(pool, heardMs), { ...news, arrived_ms: sentMs, exact: true }, heardMs);
        };
        due.push({ atMs: heardMs, run: hears });
        if (isIn) admitted += CALL;
        else refused++;
      };
      due.push({ atMs: arrivedMs, run: arrives });
    }
  }
  return { pool, admitted, refused, calls };
}

describe("a window that no header tells of", () => {
  it("is used up, however long calls are on their way", () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.record({
          atOnce: fc.integer({ min: 1, max: 200 }),
          sendMs: fc.integer({ min: 0, max: 400 }),
          wireMs: fc.integer({ min: 0, max: 400 }),
        }),
        (seed, way) => {
          const { pool, admitted, refused, calls } = played(seed, way);
          expect(admitted).toBeGreaterThan(0.95 * WINDOWS * WHOLE);
          expect(refused).toBeLessThan(0.05 * calls);
          expect(pool.tokens?.capacity).toBeGreaterThan(0.95 * WHOLE);
        },
      ),
      { numRuns: process.env.LONG === "1" ? 300 : 20 },
    );
  });

  it("is not taken for a small one by calls that met the end of the one before", () => {
    for (const seed of ["a", "b", "c"]) {
      const { pool, admitted } = played(seed, { atOnce: 2, sendMs: 400, wireMs: 1_500 });
      expect(pool.tokens?.capacity).toBeGreaterThan(0.9 * WHOLE);
      expect(admitted).toBeGreaterThan(0.85 * WINDOWS * WHOLE);
    }
  });

  it("that was begun while nobody had a limit is not taken for the one that refuses", () => {
    const limits = {
      requests_per_minute: 1e6,
      tokens_per_minute: PER_MINUTE,
      window_seconds: WINDOW_SECONDS,
    };
    const unsaid = {
      headers: { requests: null, tokens: null },
      retry_after_ms: null,
      refused: false,
    } as const;
    let pool = newPool(limits, START);
    const call = (atMs: number, news: { refused: boolean; retry_after_ms: number | null }) => {
      pool = takeFrom(poolAt(pool, atMs), 1, CALL);
      const taken = takenOf(pool, CALL, atMs);
      pool = learn(poolAt(pool, atMs), { ...unsaid, ...news, taken, arrived_ms: atMs, exact: true }, atMs);
    };
    // The lab's window begins 12 s after ours, so that the next of ours begins in the middle of it.
    call(START, unsaid);
    for (let n = 0; n < 170; n++) call(START + 12_000 + n * 55, unsaid);
    call(START + 22_000, { refused: true, retry_after_ms: 10_000 });
    expect(pool.tokens).toMatchObject({ shape: "window", capacity: WHOLE });
    const next = poolAt(pool, START + 33_000);
    expect(next.tokens?.level).toBe(WHOLE);
  });
});
