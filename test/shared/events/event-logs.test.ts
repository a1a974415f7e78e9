import { afterAll, beforeEach, expect, it } from "vitest";
import type { EventLogs } from "../../../shared/events/event-logs.ts";
import type { LogWriter } from "../../../shared/events/log-writer.ts";
import type { EventLogStore, LoggedEvent } from "../../../shared/events/ports.ts";
import { deleteJobContent } from "../../../shared/job/ending/delete-content.ts";
import { type JobKey, StoreUnavailable } from "../../../shared/store.ts";
import { answer, completion } from "../labs.ts";
import { type Instance, World } from "../world.ts";

/** Event logs over the local Cosmos DB: of two instances, whose writes the test loses, delays and races. */
const world = await World.open();
afterAll(() => world.close());
const untilMs = world.clock.now() + 3_600_000;
let jobs = 0;
let job: JobKey;
let [here, elsewhere] = [0, 1].map((n) => world.instance(`i${n}`)) as [Instance, Instance];
const writes: LoggedEvent[][] = [];
/** What becomes of the next write: its answer is lost, or nothing of it is done. */
let fate: "lost" | "undone" | undefined;

beforeEach(() => {
  job = { tenant_id: "team-a", job_id: `job_${++jobs}` };
  const store: EventLogStore = {
    ...{ head: (of) => world.ports.eventLogs.head(of), read: (...of) => world.ports.eventLogs.read(...of) },
    ...{ erase: (of) => world.ports.eventLogs.erase(of) },
    erasing: (...of) => world.ports.eventLogs.erasing(...of),
    append: async (...of) => {
      const mine = fate;
      fate = undefined;
      if (mine === "undone") throw new StoreUnavailable("nothing was done");
      const result = await world.ports.eventLogs.append(...of);
      if (mine === "lost") throw new StoreUnavailable("the answer was lost");
      if (result.kind === "written") writes.push([...of[2]]);
      return result;
    },
  };
  writes.length = 0;
  [here, elsewhere] = [0, 1].map((n) => world.instance(`i${n}`, { eventLogs: store })) as [
    Instance,
    Instance,
  ];
});

const writer = (of: Instance, attempt = 1): LogWriter =>
  of.service.events.writer({ ...job, attempt, claimId: `c${attempt}`, untilMs });
const say = (to: LogWriter, ...texts: string[]) => {
  for (const data of texts) to.event({ data, isUsage: false });
};
const told = (events: readonly LoggedEvent[]) =>
  events.map(({ number, attempt, event }) => [number, attempt, event?.data ?? null]);
const logged = async () => told(await world.ports.eventLogs.read(job, 0));

/** All that a reader hears, and whether it has heard the end. */
function following(of: EventLogs, startingAfter = -1) {
  const heard: LoggedEvent[] = [];
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const done = (async () => {
    for await (const events of of.follow(job, startingAfter, ended)) heard.push(...events);
  })();
  return { heard, end, done };
}

it("numbers events without a gap, the first at once and later ones together, and readers anywhere hear them", async () => {
  const one = writer(here);
  const near = following(here.service.events);
  const far = following(elsewhere.service.events, 0);
  say(one, "a");
  await world.turnUntil(() => writes.length === 1, 0);
  say(one, "b", "c");
  await world.settled();
  expect(writes.length).toBe(1);
  await world.turnUntil(() => near.heard.length === 3 && far.heard.length === 2, 50);
  expect(writes.map((events) => events.length)).toEqual([1, 2]);
  say(one, "d".repeat(20_000));
  await world.turnUntil(() => writes.length === 3, 0);
  say(one, "e");
  await one.flush();
  for (const { end } of [near, far]) end();
  await world.turning(Promise.all([near.done, far.done]));
  expect(told(near.heard)).toEqual(await logged());
  expect(near.heard.map(({ number }) => number)).toEqual([0, 1, 2, 3, 4]);
  expect(told(far.heard)).toEqual(told(near.heard).slice(1));
  const again = following(elsewhere.service.events, 2);
  again.end();
  await again.done;
  expect(told(again.heard)).toEqual(told(near.heard).slice(3));
});

it.each(["lost", "undone"] as const)("a write that is %s is made once", async (what) => {
  const one = writer(here);
  fate = what;
  say(one, "a");
  await world.settled();
  say(one, "b");
  await world.turning(one.flush());
  fate = what;
  say(one, "c");
  await expect(one.flush()).rejects.toThrow(StoreUnavailable);
  await one.flush();
  expect(await logged()).toEqual([
    [0, 1, "a"],
    [1, 1, "b"],
    [2, 1, "c"],
  ]);
});

it("a later attempt closes what the one before left open, which can then say nothing more", async () => {
  const one = writer(here);
  say(one, "a", "b");
  await one.flush();
  const two = writer(elsewhere, 2);
  say(two, "x");
  await two.flush();
  say(one, "c");
  await one.flush();
  const late = writer(here, 1);
  say(late, "d");
  await late.flush();
  say(two, "y");
  await two.flush();
  expect(await logged()).toEqual([
    [0, 1, "a"],
    [1, 1, "b"],
    [2, 1, null],
    [3, 2, "x"],
    [4, 2, "y"],
  ]);
});

it("once the log has ended nothing is added, whatever a worker still says, and its end is the same everywhere", async () => {
  const one = writer(here);
  say(one, "a");
  await one.flush();
  expect(await elsewhere.service.events.end(job, untilMs)).toBe(1);
  say(one, "b");
  await one.flush();
  expect(await here.service.events.end(job, untilMs)).toBe(1);
  expect(await logged()).toEqual([[0, 1, "a"]]);
  job = { ...job, job_id: "job_without" };
  expect(await here.service.events.end(job, untilMs)).toBe(0);
  say(writer(here), "a");
  await world.turnUntil(() => true);
  expect(await logged()).toEqual([]);
});

it("an event that cannot be kept closes the log, and many are read page by page", async () => {
  const one = writer(here);
  for (let n = 0; n < 60; n++) {
    say(one, String(n));
    await one.flush();
  }
  say(one, "\u0000".repeat(300_000), "never");
  await one.flush();
  const all = following(here.service.events, 9);
  all.end();
  await all.done;
  expect(all.heard.map(({ number }) => number)).toEqual(Array.from({ length: 51 }, (_, n) => n + 10));
  expect(all.heard.at(-1)?.event).toBe(null);
});

it("a reader bears that the store is away, but not at the end", async () => {
  const one = writer(here);
  let isAway = true;
  const head: EventLogStore["head"] = async (of) => {
    if (isAway) throw new StoreUnavailable("away");
    return world.ports.eventLogs.head(of);
  };
  const eventLogs = Object.assign(Object.create(world.ports.eventLogs), { head }) as EventLogStore;
  const reader = following(world.instance("r", { eventLogs }).service.events);
  say(one, "a");
  await world.turnUntil(() => writes.length === 1);
  isAway = false;
  await world.turnUntil(() => reader.heard.length === 1);
  isAway = true;
  reader.end();
  await expect(reader.done).rejects.toThrow(StoreUnavailable);
});

it("erased with its job: at once for readers, in pages for the store, and by the sweeper where that fails", async () => {
  world.labs.reply("openai-one", answer(200, completion("Hi")));
  for (const fails of [false, true]) {
    const key = await world.accepted({ streamed: true });
    job = { tenant_id: key.tenant_id, job_id: key.job_id };
    await world.turning(here.run(key));
    const one = writer(here, 9);
    for (let n = 0; n < 130; n++) {
      say(one, String(n));
      await one.flush();
    }
    const { store, clock, running } = here.service;
    const erase = fails ? async () => undefined : (of: JobKey) => here.service.events.erase(of);
    await deleteJobContent({ store, clock, running, events: { erase } }, key, "team-a/key:1");
    expect((await world.ports.eventLogs.head(job))?.value).toMatchObject({ next: 0, ended: true });
    const reader = following(here.service.events);
    reader.end();
    await reader.done;
    expect(reader.heard).toEqual([]);
    expect((await logged()).length > 0).toBe(fails);
    say(one, "late");
    await one.flush();
    await world.turning(world.instance("sweeper").sweep());
    expect(await logged()).toEqual([]);
    expect(await world.ports.eventLogs.erasing(world.clock.now() + 1e9, 9)).toEqual([]);
  }
});
