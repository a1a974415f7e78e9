import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { answerText, promptTexts } from "../../../console/rows/answer-text.ts";
import { beginning, visible } from "../../../console/rows/hostile-text.ts";
import { linkTo, matchPath } from "../../../console/rows/location.ts";
import { answered, failed, NOTHING_YET, viewOf, waitMs } from "../../../console/rows/polling.ts";
import {
  bodyOf,
  curlOf,
  EMPTY_DRAFT,
  envelopeOf,
  metadataOf,
  sdkOf,
  unservedBy,
} from "../../../console/rows/submission.ts";
import {
  callsOf,
  canonicalJson,
  type Link,
  spansOf,
  type TrailRecord,
  verifyLinks,
} from "../../../console/rows/trail.ts";
import { duration, money } from "../../../console/rows/words.ts";
import { verifyChain } from "../../../shared/audit/chain.ts";
import { GENESIS_HASH, nextRecord } from "../../../shared/audit/record.ts";

const sha256 = async (text: string) => createHash("sha256").update(text).digest("hex");

describe("a history", () => {
  const accepted = nextRecord({ seq: 0, hash: GENESIS_HASH }, "job_1", 5_000, {
    ...{ event: "accepted", actor: "team-ä/key:1", request_sha256: "0".repeat(64) },
  });
  const lab_cost = { amount: "0.1", currency: "USD" } as const;
  const ended = nextRecord(accepted, "job_1", 6_000, {
    ...{ event: "completed", actor: "worker:1", latency_ms: 1.5, message: "\u202e\u2028 it's", lab_cost },
  });

  it("is verified as the service verifies it, and each change of it is found", async () => {
    const check = (...records: readonly Link[]) => verifyLinks(records, sha256);
    expect(verifyChain([accepted, ended])).toEqual({ intact: true, records: 2 });
    expect(await check(accepted, ended)).toEqual({ isIntact: true, records: 2 });
    expect(await check(ended)).toMatchObject({ isIntact: false, seq: 1 });
    expect(await check(accepted, accepted)).toMatchObject({ isIntact: false, seq: 2 });
    for (const [name, value] of Object.entries(ended)) {
      const edited = { ...ended, [name]: value === null ? "set" : null } as unknown as Link;
      expect(await check(accepted, edited)).toMatchObject({ isIntact: false, seq: 2 });
    }
  });

  it("canonical JSON is that of RFC 8785", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => canonicalJson(value) === canonicalize(value)),
      { numRuns: 300 },
    );
  });

  const record = (event: string, at: number, more: Partial<TrailRecord> = {}) =>
    ({ event, at, deployment: null, reason: null, latency_ms: null, ...more }) as TrailRecord;

  it("a wait is drawn no longer than the longest call", () => {
    const spans = spansOf(
      [
        record("accepted", 0),
        record("waiting", 0, { reason: "quota" }),
        record("attempt_started", 3_600, { deployment: "gpt" }),
        record("completed", 3_610, { latency_ms: 10_000 }),
      ],
      9_999,
    );
    expect(spans).toEqual([
      { kind: "wait", label: "quota", seconds: 3_600, share: 50, isCompressed: true },
      { kind: "call", label: "gpt", seconds: 10, share: 50, isCompressed: false },
    ]);
  });

  it("tells how many calls were begun", () => {
    const calls = [record("accepted", 0), record("attempt_started", 1), record("attempt_failed", 2)];
    expect(callsOf([...calls, record("attempt_started", 3)])).toBe(2);
  });

  it("what has not ended reaches to now", () => {
    const [span] = spansOf([record("accepted", 100)], 130);
    expect(span).toMatchObject({ kind: "wait", label: "for a worker", seconds: 30 });
    const [line] = spansOf([record("accepted", 100, { reason: "max_cost 1; waiting: line" })], 130);
    expect(line).toMatchObject({ kind: "wait", label: "line", seconds: 30 });
  });
});

describe("text of others", () => {
  it("nothing in it is unseen, or turns the rest round", () => {
    expect(visible("a\u202eb\u0000c\u001b[31m\u200b")).toBe("a‹U+202E›b‹U+0000›c‹U+001B›[31m‹U+200B›");
    expect(visible("two\nlines\tand ü 🙂 שלום")).toBe("two\nlines\tand ü 🙂 שלום");
  });

  it("its beginning never ends in half a character", () => {
    expect(beginning("ab🙂", 3)).toBe("ab");
    expect(beginning("ab", 3)).toBe("ab");
  });

  it("the words of an answer are found in every shape", () => {
    expect(answerText({ choices: [{ message: { content: "Hi" } }] })).toBe("Hi");
    expect(answerText({ choices: [{ message: { content: [{ type: "text", text: "Hi" }] } }] })).toBe("Hi");
    expect(
      answerText({
        choices: [{ message: { content: null, tool_calls: [{ function: { name: "f", arguments: "{}" } }] } }],
      }),
    ).toBe("f({})");
    expect(
      answerText({ output: [{ type: "message", content: [{ type: "output_text", text: "Hi" }] }] }),
    ).toBe("Hi");
    expect(answerText({ object: "list", data: [{ object: "embedding", embedding: [1, 2] }] })).toBe(
      "1 vector of 2 numbers",
    );
    for (const odd of [null, "text", 3, {}, { choices: "x" }, { choices: [null] }, { output: [[]] }])
      expect(answerText(odd)).toBeUndefined();
  });

  it("what a request says, by role", () => {
    expect(promptTexts({ messages: [{ role: "user", content: "Hi" }] })).toEqual([
      { role: "user", text: "Hi" },
    ]);
    expect(promptTexts({ instructions: "Be brief", input: "Hi" })).toEqual([
      { role: "instructions", text: "Be brief" },
      { role: "user", text: "Hi" },
    ]);
  });
});

describe("a submit", () => {
  it("is sent as it is written, without what is not said", () => {
    const draft = { ...EMPTY_DRAFT, model: "gpt", prompt: "Hi" };
    expect(envelopeOf(draft, 0)).toEqual({
      body: { model: "gpt", messages: [{ role: "user", content: "Hi" }] },
    });
    expect(
      envelopeOf({ ...draft, priority: "high", deadlineSeconds: "60", metadata: "team: a: b" }, 5_000),
    ).toMatchObject({ priority: "high", deadline: 65, metadata: { team: "a: b" } });
    expect(() => bodyOf({ ...EMPTY_DRAFT, isJson: true, json: "[]" })).toThrow("must be a JSON object");
    expect(() => metadataOf("no colon")).toThrow("“no colon”");
    expect(() => metadataOf("a: 1\na: 2")).toThrow("“a” twice");
  });

  it("limits the answer by the endpoint's own name for that", () => {
    const draft = { ...EMPTY_DRAFT, prompt: "Hi", maxTokens: "9" };
    expect(bodyOf(draft)).toMatchObject({ max_tokens: 9 });
    expect(bodyOf({ ...draft, endpoint: "/v1/responses" })).toEqual({ input: "Hi", max_output_tokens: 9 });
    expect(bodyOf({ ...draft, endpoint: "/v1/embeddings" })).toEqual({ input: "Hi" });
  });

  it("its SDK lines say what they cannot carry", () => {
    const lines = (more: Partial<typeof EMPTY_DRAFT>) => sdkOf("http://h", { ...EMPTY_DRAFT, ...more }, {});
    expect(lines({})).not.toContain("takes no");
    expect(lines({ maxCost: "1", metadata: "a: b" })).toContain("no max_cost and no metadata");
    expect(lines({ deadlineSeconds: "60" })).toContain('"x-switchyard-deadline-seconds":"60"');
  });

  it("for a model that nobody may serve now says so", () => {
    const by = (available: boolean) => ({ deployment: "d", provider: "p", available });
    expect(unservedBy({ served_by: [by(false), by(true)] })).toBeUndefined();
    expect(unservedBy({ served_by: [by(false)] })).toContain("switched off");
  });

  it("its curl line quotes whatever is in it", () => {
    expect(curlOf("http://h", { body: "it's" }, "")).toContain("-d '{\n  \"body\": \"it'\\''s\"\n}'");
  });
});

it("links are encoded, and paths that are not well encoded match nothing", () => {
  expect(linkTo("jobs", { status: "failed", model: "" })).toBe("/console/jobs?status=failed");
  expect(matchPath("labs/:name", "labs/a%2Fb")).toEqual({ name: "a/b" });
  expect(matchPath("labs/:name", "labs/%E0%A4%A")).toBeUndefined();
  expect(matchPath("jobs", "jobs/x")).toBeUndefined();
});

it("what was known stays while it cannot be read, and is asked for ever more rarely", () => {
  const known = answered(NOTHING_YET, "v", '"1"', 1_000);
  const stale = failed(failed(known, new Error("away")), new Error("away"));
  expect([viewOf(NOTHING_YET), viewOf(known), viewOf(stale)]).toEqual(["loading", "current", "stale"]);
  expect(viewOf(failed(NOTHING_YET, new Error("away")))).toBe("failed");
  expect(stale.value).toBe("v");
  expect([waitMs(2_000, known), waitMs(2_000, stale)]).toEqual([2_000, 8_000]);
  expect(waitMs(2_000, { failures: 20, problem: new Error("away") })).toBe(30_000);
  expect(
    waitMs(2_000, { failures: 1, problem: Object.assign(new Error(""), { retryAfterSeconds: 9 }) }),
  ).toBe(9_000);
  // Unchanged: the value that was known.
  expect(answered(known, undefined, '"1"', 2_000).value).toBe("v");
});

it("figures are written for people, and a cost that is not known is never a figure", () => {
  expect([0.0004, 3.5, 60, 3_725, 90_000].map(duration)).toEqual([
    "1 ms",
    "3.5 s",
    "1 min",
    "1 h 2 min",
    "1 d 1 h",
  ]);
  const cost = { amount: "0.000192", currency: "USD" };
  expect([money(cost), money(cost, "call_lost"), money(null, "call_lost"), money(null)]).toEqual([
    "0.000192 USD",
    "0.000192 USD or more",
    "not known",
    "–",
  ]);
});
