import { expect, it } from "vitest";
import type { Waiting } from "../../../shared/job/waiting.ts";
import { waitOf } from "../../../shared/job/waits-for.ts";
import { WAIT_CAUSES } from "../../../shared/model/wait-cause.ts";
import { NOW_MS, newJob } from "./samples.ts";

const wordOf = (waiting: Waiting | null, notBeforeMs: number | null = null) =>
  waitOf({ ...newJob({ notBeforeMs }), waiting }, NOW_MS)?.reason ?? null;
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
  const own = ["concurrency", "deployment_failing", "credential_refused", "account_empty"];
  expect(words).toEqual([...WAIT_CAUSES.slice(0, -4).map(() => "quota"), ...own]);
  const ill = { for: "deployment", cause: "account_empty", deployment: "d", until_ms: NOW_MS + 1 } as const;
  expect(wordOf(ill)).toBe("account_empty");
});
