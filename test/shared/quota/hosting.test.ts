import { afterEach, describe, expect, it } from "vitest";
import { changeOverrides } from "../../../shared/control/change-overrides.ts";
import type { Nudge } from "../../../shared/job/ports.ts";
import { type Process, Processes } from "./processes.ts";

/** The composed service where it will run: in several processes that may be frozen or taken away between invocations. */
let world: Processes;
afterEach(() => world.close());

const QUOTA = { requests_per_minute: 60 };
const dispatches = () => world.messages.filter(({ message }) => "dispatch" in message);
const statusOf = async (by: Process, key: Nudge) => (await by.service.store.read(key))?.value.status;

describe("a deployment that bears two calls at a time", () => {
  it.each([
    { layout: "two processes that are alike", split: false },
    { layout: "released jobs in processes of their own", split: true },
  ])("gets 12 calls of 50 s two at a time: $layout", { tags: ["long"] }, async ({ split }) => {
    world = await Processes.open({ concurrency: 2 });
    world.callMs = 50_000;
    const names = ["one", "two", "three", "four"].slice(0, split ? 4 : 2);
    const processes = names.map((name) => world.process(name));
    const [first] = processes;
    if (first === undefined) throw new Error("there is no process");
    const jobs = await world.accept(12);
    for (const message of jobs) world.messages.push({ queue: "nudges", message, atMs: 0 });
    const whose = (queue: string, n: number) =>
      split ? processes[(n % 2) + (queue === "releases" ? 2 : 0)] : processes[n % 2];
    await world.turnUntil(
      () => world.calls === 12 && world.running === 0,
      () => world.deliver(whose),
      250,
    );
    expect(world.mostRunning).toBe(2);
    await world.turnUntil(() => world.invocations === 0);
    for (const key of jobs) expect(await statusOf(first, key)).toBe("completed");
  });
});

describe("the dispatcher", () => {
  /** Two jobs of which one must wait. */
  async function waiting(names: readonly string[]): Promise<{ processes: Process[]; jobs: Nudge[] }> {
    world = await Processes.open(QUOTA);
    const processes = names.map((name) => world.process(name));
    const [first] = processes;
    if (first === undefined) throw new Error("there is no process");
    const jobs = await world.accept(3);
    for (const job of jobs) await first.take(job);
    return { processes, jobs };
  }
  const [ONE, TWO] = ["one", "two"];

  it("is called for by whoever stores a job as waiting, by one message, and runs inside its invocation", async () => {
    const { processes, jobs } = await waiting([ONE, TWO]);
    expect(world.calls).toBe(1);
    expect(dispatches()).toHaveLength(1);
    const [one, two] = processes as [Process, Process];
    // Without it nothing is decided, however long the process lives.
    world.clock.advance(20_000);
    expect(world.messages).toHaveLength(1);
    world.deliver(() => two);
    await world.turnUntil(() => two.service.dispatcher.isLeading);
    // Nor while the process that stored the job is frozen.
    one.clock.isFrozen = true;
    await world.turnUntil(
      () => world.calls === 3,
      () => world.deliver(() => two),
    );
    await world.turnUntil(() => world.invocations === 0);
    expect(two.service.dispatcher.isLeading).toBe(false);
    expect(await statusOf(two, jobs[2] as Nudge)).toBe("completed");
  });

  it("is there once: whoever takes a second message finds a live lease, and returns", async () => {
    const { processes } = await waiting([ONE, TWO]);
    const [one, two] = processes as [Process, Process];
    world.deliver(() => one);
    await world.turnUntil(() => one.service.dispatcher.isLeading);
    await two.service.invocation(() => two.service.dispatcher.run());
    expect(two.service.dispatcher.isLeading).toBe(false);
    await two.service.dispatcher.ensure();
    expect(dispatches()).toEqual([]);
  });

  it("is found dead by one look, of a process that never saw it alive, by the store's clock", async () => {
    const { processes } = await waiting([ONE, TWO]);
    const [one] = processes as [Process, Process];
    world.deliver(() => one);
    await world.turnUntil(() => one.service.dispatcher.isLeading);
    one.clock.isGone = true;
    world.messages.length = 0;
    world.clock.advance(4_000);
    await world.process("early").sweep();
    expect(dispatches()).toEqual([]);
    world.clock.advance(2_500);
    await world.process("late").sweep();
    expect(dispatches()).toHaveLength(1);
    const next = world.process("next");
    world.deliver(() => next);
    await world.turnUntil(() => next.service.dispatcher.isLeading);
    await world.turnUntil(
      () => world.calls === 3,
      () => world.deliver(() => next),
    );
  });

  it("decides nothing by what it believed before it was held up", async () => {
    const { processes } = await waiting([ONE]);
    const [one] = processes as [Process];
    world.deliver(() => one);
    await world.turnUntil(() => one.service.dispatcher.isLeading);
    one.clock.isFrozen = true;
    world.clock.advance(7_000);
    const two = world.process("two");
    await two.sweep();
    world.deliver(() => two);
    await world.turnUntil(() => two.service.dispatcher.isLeading);
    const before = world.messages.length;
    one.clock.thaw();
    await world.turnUntil(() => !one.service.dispatcher.isLeading);
    expect(two.service.dispatcher.isLeading).toBe(true);
    // What was released since is the other's.
    const grants = world.messages
      .slice(before)
      .map(({ message }) => ("grant" in message ? message.job_id : ""));
    expect(new Set(grants).size).toBe(grants.length);
  });

  it("is handed over by a process that is told to end", async () => {
    const { processes } = await waiting([ONE, TWO]);
    const [one, two] = processes as [Process, Process];
    world.deliver(() => one);
    await world.turnUntil(() => one.service.dispatcher.isLeading);
    let isOver = false;
    void one.service.handOver().then(() => {
      isOver = true;
    });
    await world.turnUntil(() => isOver);
    expect(one.service.dispatcher.isLeading).toBe(false);
    expect(dispatches()).toHaveLength(1);
    // At once, with nobody's lease to wait for; and not by the process that ends.
    await one.take({ dispatch: true });
    expect(one.service.dispatcher.isLeading).toBe(false);
    world.clock.advance(200);
    const atMs = world.clock.now();
    world.deliver(() => two);
    await world.turnUntil(() => two.service.dispatcher.isLeading);
    expect(world.clock.now() - atMs).toBeLessThan(2_000);
  });

  it("ends by itself after 20 minutes, and has another invocation go on", { tags: ["long"] }, async () => {
    const { processes } = await waiting([ONE]);
    const [one] = processes as [Process];
    // Nothing takes what it releases: jobs go on waiting.
    world.deliver(() => one);
    await world.turnUntil(() => one.service.dispatcher.isLeading);
    const beganMs = world.clock.now();
    await world.turnUntil(() => dispatches().length === 1, undefined, 4_000);
    expect(one.service.dispatcher.isLeading).toBe(false);
    expect(world.clock.now() - beganMs).toBeGreaterThan(1_200_000);
  });

  it("goes on where its host's clock was two hours ahead for a while, and so does the line", async () => {
    world = await Processes.open(QUOTA);
    const [one, two] = [world.process("one"), world.process("two")];
    const jobs = await world.accept(4);
    one.clock.aheadMs = 7_200_000;
    for (const job of jobs.slice(0, 3)) await one.take(job);
    world.deliver(() => one);
    await world.turnUntil(() => one.service.dispatcher.isLeading);
    one.clock.aheadMs = 0;
    const beganMs = world.clock.now();
    await two.take(jobs[3] as Nudge);
    await world.turnUntil(
      () => world.calls === 4,
      () => world.deliver((_queue, n) => (n % 2 === 0 ? one : two)),
    );
    // One goes a second; a term that has begun by the wrong time ends first.
    expect(world.clock.now() - beganMs).toBeLessThan(60_000);
  });

  it("has itself called at a known time that is long away, and nobody calls before", async () => {
    world = await Processes.open(QUOTA);
    const one = world.process("one");
    const [job, other] = (await world.accept(2)) as [Nudge, Nudge];
    await one.take(job);
    await one.take(other);
    // The deployment asks to be left alone for five minutes.
    await one.service.quota.heard({
      ...{ deployment: "one", jobId: "job", tenantId: "team-a", granted: false },
      taken: one.service.quota.take("one", 1, "job", "team-a"),
      ...{ sentMs: world.clock.now(), latencyMs: 5 },
      outcome: {
        kind: "rate_limited",
        cause: "rate",
        statusCode: 429,
        message: "too many",
        retryAfterMs: 300_000,
      },
    });
    world.deliver(() => one);
    await world.turnUntil(() => one.service.dispatcher.isLeading);
    await world.turnUntil(() => dispatches().length === 1);
    const [later] = dispatches();
    expect(later?.atMs).toBeGreaterThan(world.clock.now() + 200_000);
    await world.turnUntil(() => world.invocations === 0);
    await one.sweep();
    expect(dispatches()).toHaveLength(1);
    world.clock.advance((later?.atMs ?? 0) - world.clock.now());
    world.deliver(() => one);
    await world.turnUntil(
      () => world.calls === 2,
      () => world.deliver(() => one),
    );
  });
});

describe("an invocation", () => {
  it("tells what calls met before the last one of its process returns", async () => {
    world = await Processes.open(QUOTA);
    const [one, two] = [world.process("one"), world.process("two")];
    const jobs = await world.accept(2);
    for (const job of jobs) await one.take(job);
    world.deliver(() => two);
    await world.turnUntil(() => world.messages.length > 0);
    const [granted] = world.messages.splice(0);
    if (granted === undefined) throw new Error("nothing was released");
    await one.take(granted.message);
    const reports = await one.service.quotaReports.since(0);
    expect(reports.map(({ instance, news }) => [instance, news.at(-1)?.outcome])).toEqual([["one", "ok"]]);
  });

  const drained = (by: Process, state: "drained" | undefined) =>
    changeOverrides(
      by.service,
      {
        ...{ list: "switches", kind: "deployment", name: "one" },
        value: state === undefined ? undefined : { state, mode: "park" },
      },
      { changeId: `change-${state}`, actor: "ops", reason: null },
    );

  it("calls nothing that was switched off while its process was frozen", async () => {
    world = await Processes.open(QUOTA);
    const [one, two] = [world.process("one"), world.process("two")];
    const [first, second] = (await world.accept(2)) as [Nudge, Nudge];
    await one.take(first);
    one.clock.isFrozen = true;
    await drained(two, "drained");
    world.clock.advance(3_600_000);
    one.clock.thaw();
    await one.take(second);
    expect(world.calls).toBe(1);
    expect((await one.service.store.read(second))?.value).toMatchObject({ waiting: { for: "switch" } });
  });

  it("lets held jobs go on, where it is the first of its process, and a sweep", async () => {
    world = await Processes.open(QUOTA);
    const one = world.process("one");
    const [job] = (await world.accept(1)) as [Nudge];
    await drained(one, "drained");
    await one.take(job);
    await drained(one, undefined);
    await world.process("new").sweep();
    expect(
      world.messages.map(({ queue, message }) => [queue, "job_id" in message && message.job_id]),
    ).toEqual([["nudges", job.job_id]]);
  });
});
