import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../local/clock.ts";
import type { Call } from "../../../local/host/invocation.ts";
import { parseSchedule, ScheduleInvalid } from "../../../local/host/schedule.ts";
import { TimerStore } from "../../../local/host/timer-store.ts";
import { TimerTrigger } from "../../../local/host/timers.ts";
import { fakeFunction, silentLog } from "./functions.ts";

const START_MS = Date.UTC(2026, 0, 1);
const iso = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());

describe("a schedule", () => {
  it.each([
    ["*/5 * * * * *", "2026-01-01T00:00:05.000Z"],
    ["0 */2 * * * *", "2026-01-01T00:02:00.000Z"],
    ["0 30 9 * * 1-5", "2026-01-01T09:30:00.000Z"],
    ["*/2 * * * *", "2026-01-01T00:02:00.000Z"],
    // Friday the 13th: day of month and day of week must both match.
    ["0 0 0 13 * 5", "2026-02-13T00:00:00.000Z"],
  ])("%s comes next at %s", (text, next) => {
    expect(iso(parseSchedule("f", text, "UTC").next(START_MS))).toBe(next);
  });

  it("follows the time zone", () => {
    expect(iso(parseSchedule("f", "0 0 9 * * *", "Europe/Berlin").next(START_MS))).toBe(
      "2026-01-01T08:00:00.000Z",
    );
  });

  it("is refused by name when it is none", () => {
    expect(() => parseSchedule("sweep", "often", "UTC")).toThrow(ScheduleInvalid);
    expect(() => parseSchedule("sweep", "often", "UTC")).toThrow('"sweep"');
  });
});

describe("a timer", () => {
  let folder: string;
  let clock: ManualClock;
  let open: TimerStore[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "timers-"));
    clock = new ManualClock(START_MS);
    open = [];
  });
  afterEach(() => {
    for (const store of open) store.close();
    rmSync(folder, { recursive: true });
  });

  /** A host process of the stack: its runs, and how to let a run end. */
  function hostProcess(holder: string, schedule = "*/10 * * * * *", options: object = {}) {
    const store = new TimerStore(join(folder, "timers.db"), holder);
    open.push(store);
    const runs: { at: number; isPastDue: boolean; last: string; next: string }[] = [];
    const ends: (() => void)[] = [];
    const hold = { on: false };
    const invoker = {
      invoke: (_fn: unknown, call: Call) => {
        const input = JSON.parse(call.data.json ?? "null");
        runs.push({
          at: clock.now() - START_MS,
          isPastDue: input.IsPastDue,
          last: input.ScheduleStatus.Last,
          next: input.ScheduleStatus.Next,
        });
        return hold.on ? new Promise<object>((resolve) => ends.push(() => resolve({}))) : Promise.resolve({});
      },
    };
    const fn = fakeFunction("sweep", { type: "timerTrigger", schedule, ...options });
    const timer = new TimerTrigger(fn, { store, invoker, clock, log: silentLog, env: {} });
    return { timer, runs, hold, end: () => ends.shift()?.() };
  }

  /** Time passes in steps, with turns of the event loop between for the runs to go on. */
  async function pass(seconds: number) {
    for (let i = 0; i < seconds * 2; i++) {
      clock.advance(500);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  it("runs when it is due, once over all processes", async () => {
    const [a, b] = [hostProcess("a"), hostProcess("b")];
    a.timer.start();
    b.timer.start();
    await pass(30);
    const runs = [...a.runs, ...b.runs].sort((x, y) => x.at - y.at);
    expect(runs.map((run) => run.at)).toEqual([10_000, 20_000, 30_000]);
    expect(runs.every((run) => !run.isPastDue)).toBe(true);
    expect(runs[1]).toMatchObject({ last: "2026-01-01T00:00:10.000Z", next: "2026-01-01T00:00:30.000Z" });
  });

  it("never runs twice at a time, however long a run takes", async () => {
    const [a, b] = [hostProcess("a"), hostProcess("b")];
    a.hold.on = true;
    a.timer.start();
    b.timer.start();
    await pass(60);
    expect([a.runs.length, b.runs.length]).toEqual([1, 0]);
    a.end();
    await pass(10);
    expect(a.runs.length + b.runs.length).toBe(2);
  });

  it("is taken over from a process that died or froze in a run", async () => {
    const dead = hostProcess("dead");
    dead.hold.on = true;
    dead.timer.start();
    await pass(10);
    expect(dead.runs).toHaveLength(1);
    // A frozen process renews nothing: its clock stands still.
    const real = clock;
    clock = new ManualClock(real.now());
    const heir = hostProcess("heir");
    heir.timer.start();
    await pass(10);
    expect(heir.runs[0]).toMatchObject({ at: 15_000, isPastDue: true });
    // Thawed, it finds the lock lost and leaves the schedule alone.
    dead.end();
    await new Promise((resolve) => setImmediate(resolve));
    await pass(10);
    expect(heir.runs.map((run) => run.at)).toEqual([15_000, 20_000, 30_000]);
  });

  it("catches up a run that was missed while nothing ran, and says so", async () => {
    const before = hostProcess("before");
    before.timer.start();
    await pass(12);
    before.timer.stop();
    clock.advance(60_000);
    const after = hostProcess("after");
    after.timer.start();
    await pass(1);
    expect(after.runs).toEqual([
      { at: 72_000, isPastDue: true, last: "2026-01-01T00:00:10.000Z", next: "2026-01-01T00:01:20.000Z" },
    ]);
  });

  it("starts anew when its schedule has changed", async () => {
    const hourly = hostProcess("a", "0 0 * * * *");
    hourly.timer.start();
    hourly.timer.stop();
    const often = hostProcess("b", "*/5 * * * * *");
    often.timer.start();
    await pass(10);
    expect(often.runs.map((run) => run.at)).toEqual([5_000, 10_000]);
  });

  it("runs at the start when it is told to", async () => {
    const eager = hostProcess("a", "0 0 * * * *", { runOnStartup: true });
    eager.timer.start();
    await pass(1);
    expect(eager.runs).toMatchObject([{ at: 0, isPastDue: false }]);
  });
});
