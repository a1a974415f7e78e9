import { expect, it } from "vitest";
import { end } from "../../../shared/job/ending/end.ts";
import { draftOf } from "../../../shared/job/life-cycle.ts";
import type { Waiting } from "../../../shared/job/waiting.ts";
import { waitsFor } from "../../../shared/job/waits-for.ts";
import { WAIT_CAUSES } from "../../../shared/model/wait-cause.ts";
import { NOW_MS, newJob } from "./samples.ts";

const wordOf = (waiting: Waiting | null, notBeforeMs: number | null = null) =>
  waitsFor({ ...newJob({ notBeforeMs }), waiting }, NOW_MS);
const quota = { for: "quota", since_ms: NOW_MS, tokens: 1, deployments: ["d"] } as const;

it("a client hears in one word what a job waits for", () => {
  expect(wordOf(null)).toBeNull();
  expect(wordOf(null, NOW_MS + 1)).toBe("scheduled");
  expect(wordOf(null, NOW_MS)).toBeNull();
  expect(wordOf({ for: "time", until_ms: NOW_MS + 1 })).toBe("back_off");
  expect(wordOf({ for: "time", until_ms: NOW_MS })).toBeNull();
  expect(wordOf({ for: "switch", revision: 0 })).toBe("switched_off");
  expect(wordOf({ for: "budget", revision: 0, budget: "b", until_ms: null })).toBe("budget");
  expect(wordOf(quota)).toBe("quota");
  const words = WAIT_CAUSES.map((cause) => wordOf({ ...quota, cause }));
  const own = ["concurrency", "deployment_failing"];
  expect(words).toEqual([...WAIT_CAUSES.slice(0, -2).map(() => "quota"), ...own]);
  const ended = end(draftOf(newJob()), { status: "cancelled", nowMs: NOW_MS, actor: "c" });
  expect(waitsFor(ended.job, NOW_MS)).toBeNull();
});
