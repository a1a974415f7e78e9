import { beforeEach, expect, it } from "vitest";
import { ManualClock } from "../../../local/clock.ts";
import { type FreezeMode, Freezer } from "../../../local/host/freezer.ts";

let clock: ManualClock;
let happened: string[];
let invoker: { running: number; idleSince: number };
/** Ends the pause of the receivers. */
let paused: () => void;
/** The parent has heard. */
let told: () => void;

beforeEach(() => {
  clock = new ManualClock();
  happened = [];
  invoker = { running: 0, idleSince: clock.now() };
});

function freezer(mode: FreezeMode): Freezer {
  return new Freezer({
    ...{ mode, invoker, clock, afterMs: 2_000 },
    triggers: {
      pause: () => {
        happened.push("pause");
        return new Promise((resolve) => {
          paused = resolve;
        });
      },
      resume: () => happened.push("resume"),
    },
    tell: ({ frozen }, then) => {
      happened.push(frozen ? "tells frozen" : "tells awake");
      if (then !== undefined) told = then;
    },
    stopSelf: () => happened.push("stops"),
  });
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
async function pass(ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 100) {
    clock.advance(100);
    await turn();
  }
}
function run(): () => void {
  invoker.running += 1;
  return () => {
    invoker.running -= 1;
    invoker.idleSince = clock.now();
  };
}

it("closes its receivers, tells, and stops itself once it was idle for its time", async () => {
  freezer("drain");
  await pass(1_900);
  expect(happened).toEqual([]);
  await pass(200);
  expect(happened).toEqual(["pause"]);
  paused();
  await turn();
  expect(happened).toEqual(["pause", "tells frozen"]);
  told();
  // Continued: it comes back from its stop, and is awake for its time anew.
  expect(happened.slice(2)).toEqual(["stops", "tells awake", "resume"]);
  happened = [];
  await pass(1_900);
  expect(happened).toEqual([]);
  await pass(200);
  expect(happened).toEqual(["pause"]);
});

it("stops as it is when it is to be hard", async () => {
  freezer("hard");
  await pass(2_100);
  told();
  expect(happened).toEqual(["tells frozen", "stops", "tells awake"]);
});

it("never stops with an invocation open, whenever that begins", async () => {
  freezer("drain");
  const end = run();
  await pass(10_000);
  expect(happened).toEqual([]);
  end();
  await pass(1_900);
  expect(happened).toEqual([]);
  await pass(200);
  // While its receivers close, and it ends before they have.
  run()();
  paused();
  await turn();
  expect(happened).toEqual(["pause", "resume"]);
  await pass(2_100);
  paused();
  await turn();
  // While the parent is told.
  const last = run();
  told();
  expect(happened.slice(2)).toEqual(["pause", "tells frozen", "tells awake", "resume"]);
  last();
});

it("stays awake once it is to end", async () => {
  const ending = freezer("hard");
  await pass(1_000);
  ending.stop();
  await pass(5_000);
  expect(happened).toEqual([]);
});
