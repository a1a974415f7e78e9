import { beforeEach, expect, it } from "vitest";
import { withSetting } from "../../../../shared/control/change-overrides.ts";
import { effectiveCatalogue, NO_OVERRIDES, type Overrides } from "../../../../shared/control/overrides.ts";
import { runJob } from "../../../../shared/job/run/run.ts";
import type { RunDeps } from "../../../../shared/job/run/run-deps.ts";
import { HeldJobs } from "../../../../shared/job/sweep/release-held.ts";
import { answer, completion, NudgeList, silent, sweeperOn, workerOn } from "../../world.ts";
import { JobWorld } from "../job-world.ts";

const world = new JobWorld();
const { clock, labs } = world;
let nudges: NudgeList;
let overrides: Overrides;
let worker: RunDeps;
let held: HeldJobs;

beforeEach(() => {
  nudges = new NudgeList();
  overrides = NO_OVERRIDES;
  const file = labs.catalogue("openai-one", "xai-two");
  worker = workerOn({ store: world.store, clock, nudges, catalogue: file });
  worker = { ...worker, catalogue: () => effectiveCatalogue(file, overrides) };
  const { store } = world;
  held = new HeldJobs({ store, nudges, clock, nudgeGraceMs: 10_000, revision: () => overrides.revision });
});

function set(state: "off" | "drained" | undefined): void {
  const value = state === undefined ? undefined : { state, mode: "park" as const };
  const setting = { list: "switches", kind: "provider", name: "openai", value } as const;
  const by = { actor: "ops", reason: null, nowMs: clock.now() };
  overrides = withSetting(overrides, setting, by)?.overrides ?? overrides;
}

const jobOf = async (key: { tenant_id: string; job_id: string }) => {
  const job = await world.store.read(key);
  if (job === undefined) throw new Error("no job");
  return job;
};

it("holds a job once, looks at it for nothing, and lets it go when the switches change", async () => {
  labs.reply("openai-one", answer(200, completion("Hello")));
  set("drained");
  const key = await world.accepted();
  await runJob(worker, key);
  const first = await jobOf(key);
  expect(first.value).toMatchObject({
    status: "queued",
    attempts: 0,
    held: { cause: "switched_off", revision: 1 },
  });
  await runJob(worker, key);
  expect((await jobOf(key)).etag).toBe(first.etag); // nothing was written
  expect(nudges.sent).toEqual([]); // and no nudge goes round

  await held.release(silent);
  expect(nudges.sent).toEqual([]); // no change since it was held
  set(undefined);
  expect(await held.release(silent)).toBe(1);
  expect(await held.release(silent)).toBe(0);
  expect(nudges.sent.map((sent) => sent.nudge)).toEqual([key]);
  await runJob(worker, key);
  const ended = (await jobOf(key)).value;
  expect(ended.status).toBe("completed");
  expect("held" in ended).toBe(false);
  expect((await world.store.audit(key)).map((record) => record.event)).toEqual([
    "accepted",
    "waiting",
    "attempt_started",
    "completed",
  ]);
});

it("finds a job that a worker held a moment after the change, knowing only the older version", async () => {
  set("drained");
  const key = await world.accepted();
  const older = worker.catalogue();
  set(undefined);
  await held.release(silent);
  await runJob({ ...worker, catalogue: () => older }, key);
  expect(await held.release(silent)).toBe(1);
});

it("lets the deadline end a held job", async () => {
  set("drained");
  const key = await world.accepted();
  await runJob(worker, key);
  const sweeper = sweeperOn(world.opened, { nudges, clock });
  clock.advance(3_600_001);
  await sweeper.sweep(silent);
  expect(nudges.sent.map((sent) => sent.nudge)).toContainEqual(key);
  await runJob(worker, key);
  expect((await jobOf(key)).value).toMatchObject({ status: "expired" });
});
