import { expect, it } from "vitest";
import { directivesIn, withoutMarkers } from "../../../local/model-endpoints/directives.ts";
import { FaultRuleInvalid, matches, readFaultRule, strikes } from "../../../local/model-endpoints/fault.ts";

it("reads a fault by its name or by its fields", () => {
  const [status, reset, latency, huge] = directivesIn(
    "a [[sim:status=429,times=2,retry_after=1.5]] b [[sim:reset,profile=xai]] [[sim:latency_ms=20]] [[sim:huge,bytes=9]]",
  );
  expect(status).toMatchObject({ fault: { kind: "status", status: 429, retryAfterMs: 1_500 }, times: 2 });
  expect(reset).toMatchObject({ fault: { kind: "reset" }, profile: "xai", times: Number.POSITIVE_INFINITY });
  expect(latency).toMatchObject({ fault: { kind: "latency", latencyMs: 20 } });
  expect(huge).toMatchObject({ fault: { kind: "huge", bytes: 9 } });
  expect(directivesIn("nothing [[here]]")).toEqual([]);
});

it("refuses a slip of the pen", () => {
  for (const text of [
    "statsu=503",
    "status=99",
    "status=fast",
    "",
    "explode",
    "hang,times=0",
    "probability=2",
  ]) {
    expect(() => directivesIn(`[[sim:${text}]]`)).toThrow(FaultRuleInvalid);
  }
});

it("keeps markers out of the text", () => {
  expect(withoutMarkers("Hello [[sim:hang]][[content_filter]] [[output_filter]]")).toBe("Hello");
  expect(withoutMarkers("a [[b]]")).toBe("a [[b]]");
});

it("strikes the calls it is meant for, after the first few, so many times", () => {
  const rule = readFaultRule({ fault: "reset", profile: "openai", job: "j", after: 1, times: 2 });
  const call = { profile: "openai", model: "m", endpoint: "/v1/responses", job: "j" };
  expect(matches(rule, call)).toBe(true);
  expect(matches(rule, { ...call, job: "k" })).toBe(false);
  expect(matches(rule, { ...call, profile: "xai" })).toBe(false);
  expect([1, 2, 3, 4].map((hit) => strikes(rule, hit, 0))).toEqual([false, true, true, false]);
  const half = readFaultRule({ status: 500, probability: 0.5 });
  expect([0.49, 0.5].map((chance) => strikes(half, 1, chance))).toEqual([true, false]);
});
