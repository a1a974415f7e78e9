import { expect, it } from "vitest";
import {
  choiceWords,
  type DeadLetter,
  letterFilter,
  letterQuery,
  remedyOf,
} from "../../../console/rows/dead-letters.ts";
import { type Operation, operationWords, shownOf } from "../../../console/rows/operations.ts";

const none = { state: "", tenant: "", job: "", reason: "" };
const letter = (more: Partial<DeadLetter>): DeadLetter => ({
  ...{ id: "dl_1", at: 1, reason: "Tried", description: "", readable: true, queue: "jobs" },
  ...{ tenant_id: "team-a", job_id: "job_1", job_status: "queued", redriven: null, dismissed: null, ...more },
});

it("what is shown is narrowed as the list takes it; what is changed is of the untouched alone", () => {
  expect(letterQuery(none)).toEqual({});
  const choice = { ...none, state: "untouched", tenant: "team-a", reason: "Tried" };
  expect(letterQuery(choice)).toEqual({
    ...{ tenant_id: "team-a", reason: "Tried", redriven: "false", dismissed: "false" },
  });
  expect(letterFilter({ ...choice, job: "job_1" })).toEqual({
    ...{ tenant_id: "team-a", job_id: "job_1", reason: "Tried" },
  });
  expect(choiceWords(none)).toBe("all letters that nobody has touched");
  expect(choiceWords(choice)).toBe("untouched letters of team-a, with the reason “Tried”");
});

it("a letter is redriven once, if it can be read; of an ended job that makes a new one", () => {
  const done = { at: 1, actor: "ops", outcome: "nudged", job_id: "job_1" };
  expect(remedyOf(letter({}))).toEqual({ canRedrive: true, makesJob: false, canDismiss: true });
  expect(remedyOf(letter({ job_status: "failed" }))).toMatchObject({ makesJob: true });
  expect(remedyOf(letter({ job_status: null }))).toMatchObject({ makesJob: false });
  expect(remedyOf(letter({ redriven: done }))).toMatchObject({ canRedrive: false, canDismiss: false });
  expect(remedyOf(letter({ dismissed: { at: 1, actor: "ops" } }))).toMatchObject({
    ...{ canRedrive: true, canDismiss: false },
  });
  expect(remedyOf(letter({ readable: false, job_id: null }))).toMatchObject({
    ...{ canRedrive: false, canDismiss: false },
  });
  expect(remedyOf(letter({ queue: "batches", job_id: "batch_1", job_status: null }))).toEqual({
    ...{ canRedrive: true, makesJob: false, canDismiss: false },
  });
});

it("of operations those are shown that go on, and the newest", () => {
  const operation = (id: string, more: Partial<Operation> = {}): Operation => ({
    ...{ id, kind: "cancel_jobs", status: "ended", created_at: 1, stopped_by: null, counts: {}, ...more },
  });
  const counts = { nudged: 3, refused_job_ended: 1 };
  const of = { kind: "redrive_dead_letters" };
  const all = [
    ...[operation("op_5"), operation("op_4", { ...of, counts })],
    ...[operation("op_3", { ...of, stopped_by: "ops" }), operation("op_2", { ...of, status: "in_progress" })],
  ];
  expect(shownOf(all, "redrive_dead_letters").map(({ id }) => id)).toEqual(["op_4", "op_2"]);
  expect(all.map(operationWords)).toEqual([
    ...["Done", "Done: 3 nudged, 1 refused job ended", "Stopped", "Under way"],
  ]);
});
