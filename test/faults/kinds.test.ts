import { expect, it } from "vitest";
import { AtWork } from "./at-work.ts";
import type { Evidence } from "./evidence.ts";
import { Tally } from "./injector.ts";
import { STEPS, stepName } from "./kills.ts";
import { KINDS, missingHarm, notShown } from "./kinds.ts";

const nothing: Evidence = {
  ...{
    submissions: [],
    sightings: [],
    promises: [],
    held: [],
    batches: [],
    stored: [],
    calls: [],
    queues: {},
    stale: [],
  },
  ...{ hostsKilled: 0, maxAttempts: 1 },
};

it("a run has not shown what it did not do, and each kind has a name of its own", () => {
  const names = KINDS.map(({ name }) => name);
  expect(new Set(names).size).toBeGreaterThan(60);
  expect(notShown({ tally: new Tally(), evidence: nothing })).toEqual(names);
  for (const step of STEPS) expect(names.join()).toContain(stepName(step));
});

it("what has been done is missing no more; fewer kills than are wanted still are", () => {
  const tally = new Tally();
  for (const { name } of KINDS) tally.add(name);
  tally.kills = 59;
  expect(missingHarm(tally)).toEqual([]);
  const calls = [{ fault: "huge" }] as unknown as Evidence["calls"];
  const missing = notShown({ tally, evidence: { ...nothing, calls } });
  expect(missing).toContain("processes killed");
  expect(missing).not.toContain("a lab answers 100 MB");
  expect(missing).not.toContain("nudges doubled");
  tally.counts.delete("nudges doubled");
  expect(missingHarm(tally).map(({ name }) => name)).toEqual(["a courier at work on the queues"]);
});

it("a recovery counts from when there is anybody at work", () => {
  const line = (second: number, message: string) =>
    JSON.stringify({
      time: new Date(second * 1000).toISOString(),
      level: "warning",
      category: "Start",
      message,
    });
  const atWork = new AtWork(
    [
      line(10, "host 1 died (pid 1, SIGKILL); starting it again in 0 ms."),
      line(12, "host 2 died (pid 2, SIGKILL); starting it again in 0 ms."),
      "ready http://127.0.0.1:1",
      line(20, "host 1 serves again (pid 3)."),
      line(24, "emulators died (pid 4, SIGKILL); starting it again in 0 ms."),
      line(30, "emulators serves again (pid 5)."),
    ].join("\n"),
  );
  expect(atWork.seconds(0, 10)).toBe(10);
  expect(atWork.seconds(5, 15)).toBe(7);
  expect(atWork.seconds(13, 19)).toBe(0);
  expect(atWork.seconds(0, 40)).toBe(12 + 4 + 10);
});

it("a recovery wants a host of each group of functions", () => {
  const line = (second: number, name: string, message: string) =>
    JSON.stringify({ time: new Date(second * 1000).toISOString(), message: `${name} ${message}` });
  const dies = "died (pid 1, SIGKILL); starting it again in 0 ms.";
  const atWork = new AtWork(
    [
      line(10, "function:sweep 1", dies),
      line(12, "http 1", dies),
      line(20, "function:sweep 2", dies),
      line(23, "function:sweep 1", "serves again (pid 3)."),
      line(25, "http 2", dies),
      line(26, "http 1", "serves again (pid 4)."),
    ].join("\n"),
  );
  expect(atWork.seconds(0, 20)).toBe(20);
  expect(atWork.seconds(20, 30)).toBe(2 + 4);
});
