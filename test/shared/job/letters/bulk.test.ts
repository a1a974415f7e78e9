import { afterAll, beforeEach, expect, it } from "vitest";
import { dismissMany, redriveMany } from "../../../../shared/job/letters/bulk.ts";
import { deadLetterId, Repeats, settleDeadLetter } from "../../../../shared/job/letters/dead-letter.ts";
import type { RedriveDeps } from "../../../../shared/job/letters/redrive.ts";
import type { DeadLetter, Nudge } from "../../../../shared/job/ports.ts";
import type { Log } from "../../../../shared/log.ts";
import { answer, completion } from "../../labs.ts";
import { silent, World } from "../../world.ts";

const world = await World.open();
afterAll(() => world.close());
const ACTOR = "ops/key:12345678";
const one = world.instance();
const deps: RedriveDeps = { ...one.service.redrive, log: silent };
let count = 0;
/** Letters of each test have a reason of their own. */
let reason: string;
beforeEach(() => {
  reason = `Reason ${++count}`;
  world.cosmos.setFaults({ rules: [] });
  world.nudges.sent.length = 0;
});

async function letter(nudge: Nudge | null, more: Partial<DeadLetter> = {}): Promise<DeadLetter> {
  world.clock.advance(1_000);
  const kept = {
    ...{ id: deadLetterId("m", ++count), message_id: "m", nudge, reason, description: "" },
    ...{ at_ms: world.clock.now(), ...more },
  };
  await deps.deadLetters.keep(kept);
  return kept;
}

async function endedJob(): Promise<Nudge> {
  world.labs.reply("openai-one", answer(200, completion("Hello")));
  const nudge = await world.accepted();
  await one.run(nudge);
  return nudge;
}

const redriveAll = (page: Partial<Parameters<typeof redriveMany>[2]> = {}) =>
  redriveMany(deps, { reason }, { limit: 50, after: undefined, newJobs: false, ...page }, ACTOR);
const recordsOf = async (event: string) =>
  (await deps.trail.records("dead_letters", { limit: 1_000 })).records.filter((each) => each.event === event);

it("many are redriven in pages: live jobs nudged, ended ones only if asked, the rest counted by why not", async () => {
  const live = [await world.accepted(), await world.accepted({ tenantId: "team-b" })];
  for (const nudge of [live[0], null, await endedJob(), live[1]]) await letter(nudge ?? null);
  const gone = await letter({ v: 1, tenant_id: "team-a", job_id: "job_gone" });
  world.nudges.sent.length = 0;
  const first = await redriveAll({ limit: 3 });
  expect(first).toMatchObject({ nudged: 1, newJobs: 0, refused: { request_gone: 1, job_ended: 1 }, left: 4 });
  const after = await deps.deadLetters.read(first.lastId ?? "");
  expect(await redriveAll({ after })).toEqual({
    ...{ nudged: 1, newJobs: 0, refused: { dead_letter_unreadable: 1 }, left: 3, lastId: null },
  });
  expect(world.nudges.sent.map(({ nudge }) => nudge.job_id)).toEqual([live[1]?.job_id, live[0]?.job_id]);
  expect(await redriveAll({ newJobs: true })).toMatchObject({ nudged: 0, newJobs: 1, left: 2 });
  const said = (await recordsOf("redriven")).filter((each) => each.reason === reason);
  expect(said.map(({ actor, details }) => [actor, details.outcome])).toEqual([
    [ACTOR, "new_job"],
    [ACTOR, "nudged"],
    [ACTOR, "nudged"],
  ]);
  expect((await deps.deadLetters.read(gone.id))?.redriven).toBeUndefined();
});

it("are chosen by tenant, job, reason and age", async () => {
  const [a, b] = [await world.accepted(), await world.accepted({ tenantId: "team-b" })];
  const old = await letter(a);
  await letter(b);
  await letter(a, { reason: "another" });
  const counted = async (choice: object) =>
    deps.deadLetters.matching({ reason, redriven: false, dismissed: false, ...choice });
  expect(await counted({})).toBe(2);
  expect(await counted({ tenantId: "team-b" })).toBe(1);
  expect(await counted({ jobId: a.job_id })).toBe(1);
  expect(await counted({ beforeMs: old.at_ms + 1 })).toBe(1);
  expect(await counted({ beforeMs: old.at_ms })).toBe(0);
});

it("many are dismissed in pages, each page by one record, and touched no more", async () => {
  const live = await world.accepted();
  const letters = [await letter(live), await letter(null), await letter(live)];
  const before = await deps.deadLetters.count();
  const dismiss = (limit: number) =>
    dismissMany(deps, { reason }, { limit, actor: ACTOR, reason: "incident 7" });
  expect(await dismiss(2)).toEqual({ dismissed: 2, left: 1 });
  expect(await dismiss(2)).toEqual({ dismissed: 1, left: 0 });
  expect(await dismiss(2)).toEqual({ dismissed: 0, left: 0 });
  const records = (await recordsOf("dismissed")).filter((each) => each.reason === "incident 7");
  expect(records.map(({ actor, details }) => [actor, details.dead_letters])).toEqual([
    [ACTOR, [letters[0]?.id]],
    [ACTOR, [letters[2]?.id, letters[1]?.id]],
  ]);
  expect((await deps.deadLetters.read(letters[0]?.id ?? ""))?.dismissed).toMatchObject({ actor: ACTOR });
  expect(await deps.deadLetters.count()).toMatchObject({
    untouched: before.untouched - 3,
    kept: before.kept,
  });
  expect(await redriveAll()).toMatchObject({ nudged: 0, refused: {}, left: 0 });
});

it("two who dismiss the same letters at once mark each once", async () => {
  for (let n = 0; n < 3; n++) await letter(null);
  const by = (actor: string) => dismissMany(deps, { reason }, { limit: 50, actor, reason });
  const done = await Promise.all([by("ops/key:a"), by("ops/key:b")]);
  expect(done.map(({ left }) => left)).toEqual([0, 0]);
  const records = (await recordsOf("dismissed")).filter((each) => each.reason === reason);
  expect(records).toHaveLength(1);
});

it("one that comes again and again is logged once, and then counted once a minute", async () => {
  const lines: [string, unknown][] = [];
  const note = (event: string, fields: unknown) => void lines.push([event, fields]);
  const log: Log = { info: note, warn: note, error: note };
  const again = { ...one.service, log, repeats: new Repeats() };
  const live = await world.accepted();
  const kept = await letter(live);
  const fresh = { ...kept, id: deadLetterId("new", ++count) };
  const busAway = { ...again, nudges: { send: () => Promise.reject(new Error("Service Bus is away")) } };
  for (let n = 0; n < 30; n++) {
    await expect(settleDeadLetter(busAway, fresh)).rejects.toThrow("away");
    world.clock.advance(5_000);
  }
  expect(lines).toEqual([
    ["dead_letter", { job_id: live.job_id, status: "queued", reason }],
    ["dead_letters_again", { times: 1 }],
    ["dead_letters_again", { times: 12 }],
    ["dead_letters_again", { times: 12 }],
  ]);
});
