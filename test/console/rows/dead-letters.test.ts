import { expect, it } from "vitest";
import {
  choiceWords,
  type DeadLetter,
  letterFilter,
  letterQuery,
  NO_REDRIVES,
  redriveWords,
  remedyOf,
  together,
} from "../../../console/rows/dead-letters.ts";

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

it("pages of redrives are told as one", () => {
  const page = { nudged: 2, new_jobs: 0, refused: { job_ended: 1 }, left: 4, last_id: "dl_2" };
  const last = { nudged: 1, new_jobs: 1, refused: { job_ended: 2, request_gone: 1 }, left: 3, last_id: null };
  const both = together(together(NO_REDRIVES, page), last);
  expect(both).toEqual({
    ...{ nudged: 3, new_jobs: 1, refused: { job_ended: 3, request_gone: 1 }, left: 3, last_id: null },
  });
  expect(redriveWords(both)).toBe(
    "3 nudged, 1 new job, 3 refused (job_ended), 1 refused (request_gone), 3 left",
  );
});
