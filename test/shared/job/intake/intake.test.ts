import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { modelRefusal } from "../../../../shared/job/intake/admission.ts";
import { defaultDeadlineMs, timeFaults } from "../../../../shared/job/intake/times.ts";
import { CAPABILITIES, catalogueOf, type Deployment } from "../../../../shared/model/catalogue.ts";
import { chooseDeployment } from "../../../../shared/model/choice.ts";
import { ENDPOINTS } from "../../../../shared/model/endpoint.ts";
import { readAsk } from "../../../../shared/model/protocol/protocols.ts";

const NOW_MS = 1_800_000_000_000;

const deployment = fc
  .record({
    provider: fc.constantFrom("openai", "xai"),
    endpoints: fc.subarray([...ENDPOINTS], { minLength: 1 }),
    capabilities: fc.subarray([...CAPABILITIES]),
    context_tokens: fc.constantFrom(undefined, 20, 100_000),
    max_output_tokens: fc.constantFrom(undefined, 50),
    currency: fc.constantFrom("USD", "EUR"),
  })
  .map(({ currency, context_tokens, max_output_tokens, ...rest }) => ({
    ...rest,
    ...(context_tokens === undefined ? {} : { context_tokens }),
    ...(max_output_tokens === undefined ? {} : { max_output_tokens }),
    ...{
      protocol: "openai" as const,
      model: "m-1",
      base_url: "https://example.test/v1",
      auth: { kind: "none" as const },
      limits: {},
    },
    price: { currency, input_per_million: 1, output_per_million: 1 },
    simulated: true,
  }));
const deployments = fc
  .array(deployment, { minLength: 1, maxLength: 4 })
  .map((all) => all.map((each, at): Deployment => ({ name: `d${at}`, ...each })));
const tenant = fc.record({
  id: fc.constant("team-a"),
  allow_models: fc.constantFrom<string[]>(["*"], ["m-*"], ["other"]),
  deny_providers: fc.subarray(["openai", "xai"]),
  budget: fc.constantFrom(undefined, { currency: "USD", over: "wait" as const }),
});
const asked = fc.record({
  endpoint: fc.constantFrom(...ENDPOINTS),
  model: fc.constantFrom("m-1", "m-2"),
  body: fc.record({
    messages: fc.constant([{ role: "user", content: "Say something that takes a few tokens to say." }]),
    tools: fc.constantFrom(undefined, [{ type: "function" }]),
    max_tokens: fc.constantFrom(undefined, 40, 500),
  }),
});
/** How things stand when a worker looks at the job, however much later. */
const later = fc.record({
  tried: fc.subarray(["d0", "d1", "d2", "d3"]),
  cooling: fc.subarray(["d0", "d1", "d2", "d3"]),
  seed: fc.string(),
});

describe("the verdict on a model", () => {
  it("is what a worker's choice comes to, whatever waits, cools or has failed by then", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(deployments, tenant, asked, later, (all, who, what, { tried, cooling, seed }) => {
        const catalogue = catalogueOf(all, []);
        const refusal = modelRefusal(catalogue, who, what);
        const choice = chooseDeployment({
          model: catalogue.model(what.model),
          ask: readAsk(what.endpoint, () => what.body),
          ...{ tenant: who, tried, seed, refusedBy: [], nowMs: NOW_MS },
          waitCause: (name) => (cooling.includes(name) ? "rate_limited" : undefined),
          latencyMs: () => undefined,
        });
        seen.add(refusal?.code ?? "admitted");
        expect(refusal?.code).toBe(choice.kind === "none" ? choice.reason : undefined);
      }),
      { numRuns: 500 },
    );
    expect([...seen].sort()).toEqual([
      "admitted",
      "capability_not_supported",
      "endpoint_not_supported",
      "model_not_allowed",
      "model_not_found",
    ]);
  });
});

describe("the times of a submit", () => {
  const about = (notBeforeMs: number | null, deadlineMs: number | null) =>
    timeFaults({ notBeforeMs, deadlineMs }, NOW_MS, 100).map((fault) => fault.about);

  it("fit the moment and each other", () => {
    expect(about(null, null)).toEqual([]);
    expect(about(null, NOW_MS)).toEqual(["deadline"]);
    expect(about(null, NOW_MS + 1)).toEqual([]);
    expect(about(null, NOW_MS + 100_000)).toEqual([]);
    expect(about(null, NOW_MS + 100_001)).toEqual(["deadline"]);
    expect(about(NOW_MS + 5, NOW_MS + 5)).toEqual(["not_before"]);
    expect(about(NOW_MS + 100_000, null)).toEqual(["not_before"]);
    expect(about(NOW_MS + 200_000, NOW_MS + 150_000)).toEqual(["deadline", "not_before"]);
  });

  it("leave a job without a deadline one that counts from its start, within the latest there can be", () => {
    const settings = { defaultDeadlineSeconds: 60, maxDeadlineSeconds: 100 };
    expect(defaultDeadlineMs(null, NOW_MS, settings)).toBe(NOW_MS + 60_000);
    expect(defaultDeadlineMs(NOW_MS + 20_000, NOW_MS, settings)).toBe(NOW_MS + 80_000);
    expect(defaultDeadlineMs(NOW_MS + 70_000, NOW_MS, settings)).toBe(NOW_MS + 100_000);
    expect(defaultDeadlineMs(NOW_MS - 5_000, NOW_MS, settings)).toBe(NOW_MS + 60_000);
  });
});
