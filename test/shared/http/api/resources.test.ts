import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Problem } from "../../../../shared/errors.ts";
import { jobJson, retryAfterSeconds } from "../../../../shared/http/api/job-resource.ts";
import { waitSeconds } from "../../../../shared/http/api/parameters.ts";
import { problemAnswer } from "../../../../shared/http/api/problem.ts";
import { apiDocument } from "../../../../shared/http/api/routes.ts";
import { matchesEtag } from "../../../../shared/http/conditional.ts";
import { NOW_MS, newJob } from "../../job/samples.ts";

const response = (body: string) => ({ status_code: 200, request_id: "r", body });

describe("a job's JSON", () => {
  it("holds the answer byte for byte", () => {
    fc.assert(
      fc.property(fc.object(), fc.constantFrom(0, 2), (answer, indent) => {
        const body = JSON.stringify(answer, null, indent);
        const text = jobJson(newJob(), response(body), NOW_MS);
        expect(text.endsWith(`"body":${body}}}`)).toBe(true);
        expect(JSON.parse(text).response).toEqual({
          status_code: 200,
          request_id: "r",
          body: JSON.parse(body),
        });
      }),
    );
    expect(jobJson(newJob(), response('{"n":12345678901234567890}'), NOW_MS)).toContain(
      '{"n":12345678901234567890}',
    );
  });

  it("has every field of the contract, and no other", () => {
    const schemas = apiDocument().components.schemas as unknown as { Job: { properties: object } };
    expect(Object.keys(JSON.parse(jobJson(newJob(), undefined, NOW_MS))).sort()).toEqual(
      Object.keys(schemas.Job.properties).sort(),
    );
  });

  it("says when to ask again", () => {
    expect(retryAfterSeconds(newJob(), NOW_MS)).toBe(1);
    expect(retryAfterSeconds(newJob({ notBeforeMs: NOW_MS + 5_500 }), NOW_MS)).toBe(6);
    expect(retryAfterSeconds(newJob({ notBeforeMs: NOW_MS + 9e6 }), NOW_MS)).toBe(30);
  });
});

describe("headers", () => {
  it.each([
    [undefined, false],
    ['"a"', true],
    ['W/"a"', true],
    ['"b", "a"', true],
    ["*", true],
    ['"b"', false],
    ["a", false],
  ])("If-None-Match %s", (sent, matches) => {
    expect(matchesEtag(sent, '"a"')).toBe(matches);
  });

  it.each([
    [undefined, 0],
    ["wait=5", 5],
    ["respond-async, wait=10", 10],
    ['wait="7"; x=1', 7],
    ["wait=500", 60],
    ["wait=-1", 0],
    ["wait=soon", 0],
    ["waiting=5", 0],
  ])("Prefer: %s", (sent, seconds) => {
    expect(waitSeconds(sent)).toBe(seconds);
  });

  it("a problem says what is wrong and what to do", () => {
    const problem = new Problem("store_unavailable", "The store cannot be reached.", {
      retryAfterSeconds: 5,
    });
    const { status, headers, body } = problemAnswer(problem, "request-1");
    expect([status, headers["retry-after"]]).toEqual([503, "5"]);
    expect(JSON.parse(String(body))).toMatchObject({
      type: "urn:switchyard:problem:store_unavailable",
      code: "store_unavailable",
      request_id: "request-1",
    });
    const challenge = problemAnswer(new Problem("missing_credential", "None."), "r");
    expect(challenge.headers["www-authenticate"]).toBe("Bearer");
  });
});
