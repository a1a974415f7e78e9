import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCatalogue } from "../../../shared/model/catalogue.ts";
import { addCosts, costOf } from "../../../shared/model/cost.ts";
import { backOffMs } from "../../../shared/model/outcome.ts";
import { outcomeOf, retryAfterMsOf } from "../../../shared/model/protocol/openai/outcome.ts";
import { withModel } from "../../../shared/model/protocol/openai/request-body.ts";
import { usageOf } from "../../../shared/model/protocol/openai/usage.ts";

const NOW_MS = 1_800_000_000_000;

const deployment = (name: string, change: object = {}) => ({
  name,
  provider: "openai",
  model: `${name}-model`,
  base_url: "https://example.test/openai/v1",
  auth: { kind: "none" },
  endpoints: ["/v1/chat/completions"],
  capabilities: [],
  price: { currency: "USD", input_per_million: 1, output_per_million: 2 },
  ...change,
});

describe("the catalogue", () => {
  const faultsOf = (json: unknown, settings: Record<string, string> = {}) => {
    const parsed = parseCatalogue(json, { settings });
    return "faults" in parsed ? parsed.faults : [];
  };

  it("names every fault with its place", () => {
    const faults = faultsOf({
      deployments: [deployment("a", { colour: 1, price: { currency: "usd" } }), { name: "b" }],
      routes: [{ model: "r", strategy: "best", targets: [] }],
    });
    for (const place of [
      "/deployments/0/price/currency",
      "/deployments/0: ",
      "/deployments/1/provider",
      "/routes/0/strategy",
      "/routes/0/targets",
    ]) {
      expect(faults.some((fault) => fault.startsWith(place))).toBe(true);
    }
  });

  it.each<[string, object[], object[], string]>([
    ["names used twice", [deployment("a"), deployment("a")], [], "a is used twice"],
    [
      "an unknown target",
      [deployment("a")],
      [{ model: "r", strategy: "ordered", targets: [{ deployment: "b" }] }],
      "no deployment b",
    ],
    [
      "a route named like a model",
      [deployment("a")],
      [{ model: "a-model", strategy: "ordered", targets: [{ deployment: "a" }] }],
      "a-model is a deployment's model",
    ],
    [
      "plain http to elsewhere",
      [deployment("a", { base_url: "http://example.test/v1" })],
      [],
      "must be https",
    ],
    [
      "a missing key setting",
      [deployment("a", { auth: { kind: "api_key", setting: "MY_KEY" } })],
      [],
      "MY_KEY",
    ],
    [
      "two currencies in a route",
      [
        deployment("a"),
        deployment("b", { price: { currency: "EUR", input_per_million: 1, output_per_million: 1 } }),
      ],
      [{ model: "r", strategy: "ordered", targets: [{ deployment: "a" }, { deployment: "b" }] }],
      "USD and EUR",
    ],
  ])("refuses %s", (_what, deployments, routes, fault) => {
    expect(faultsOf({ deployments, routes }).join("\n")).toContain(fault);
  });

  it.each<[string, object, string]>([
    ["what the service sets itself", { rename: { model: "name" } }, "model cannot be mapped"],
    ["renamed and refused", { rename: { stop: "end" }, refuse: ["stop"] }, "renamed and refused"],
    ["a chain", { rename: { a: "b", b: "c" } }, "a becomes b"],
    ["a member into what holds it", { rename: { "reasoning.effort": "reasoning" } }, "holds it"],
    ["an odd name", { refuse: ["Stop!"] }, "/deployments/0/dialect/refuse/0"],
    ["an unknown part", { drop: ["stop"] }, "/deployments/0/dialect"],
  ])("refuses a dialect with %s", (_what, dialect, fault) => {
    expect(faultsOf({ deployments: [deployment("a", { dialect })] }).join("\n")).toContain(fault);
  });

  it("serves a model by all its deployments, a route by its targets in order", () => {
    const parsed = parseCatalogue(
      {
        deployments: [
          deployment("a"),
          deployment("b"),
          deployment("c", { model: "a-model", base_url: "http://127.0.0.1:1/v1" }),
        ],
        routes: [{ model: "r", strategy: "ordered", targets: [{ deployment: "b" }, { deployment: "a" }] }],
      },
      { settings: {} },
    );
    if ("faults" in parsed) throw new Error(parsed.faults.join());
    const names = (model: string) => parsed.catalogue.targets(model).map((d) => d.name);
    expect([names("a-model"), names("r"), names("x")]).toEqual([["a", "c"], ["b", "a"], []]);
  });
});

describe("cost", () => {
  const usage = (input: number, output: number) => ({
    input_tokens: input,
    output_tokens: output,
    total_tokens: input + output,
  });
  const price = (input: number, output: number) => ({
    currency: "USD",
    input_per_million: input,
    output_per_million: output,
  });

  it("is exact, as a decimal", () => {
    expect(costOf(usage(1, 0), price(0.1, 0))).toEqual({ amount: "0.0000001", currency: "USD" });
    expect(costOf(usage(3, 7), price(0.1, 0.2)).amount).toBe("0.0000017");
    expect(costOf(usage(1_000_000, 1_000_000), price(3, 15)).amount).toBe("18");
    expect(costOf(usage(0, 0), price(3, 15)).amount).toBe("0");
    expect(costOf(usage(1, 0), price(1e-7, 0)).amount).toBe("0.0000000000001");
    expect(addCosts({ amount: "0.1", currency: "USD" }, { amount: "0.2", currency: "USD" })?.amount).toBe(
      "0.3",
    );
    expect(addCosts(null, { amount: "1", currency: "USD" })?.amount).toBe("1");
    expect(() => addCosts({ amount: "1", currency: "USD" }, { amount: "1", currency: "EUR" })).toThrow(
      RangeError,
    );
  });

  it("of a sum is the sum of costs", () => {
    const tokens = fc.nat({ max: 10_000_000 });
    const cents = fc.nat({ max: 100_000 }).map((n) => n / 100);
    fc.assert(
      fc.property(tokens, tokens, tokens, tokens, cents, cents, (a, b, c, d, input, output) => {
        const together = costOf(usage(a + c, b + d), price(input, output));
        const apart = addCosts(
          costOf(usage(a, b), price(input, output)),
          costOf(usage(c, d), price(input, output)),
        );
        expect(apart).toEqual(together);
      }),
    );
  });
});

describe("usage", () => {
  it.each<[string, unknown, [number, number, number] | null]>([
    ["chat", { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 }, [3, 4, 7]],
    ["responses", { input_tokens: 3, output_tokens: 4, total_tokens: 7 }, [3, 4, 7]],
    ["embeddings", { prompt_tokens: 3, total_tokens: 3 }, [3, 0, 3]],
    [
      "reasoning inside the output",
      {
        prompt_tokens: 3,
        completion_tokens: 10,
        total_tokens: 13,
        completion_tokens_details: { reasoning_tokens: 6 },
      },
      [3, 10, 13],
    ],
    [
      "reasoning beside the output",
      {
        prompt_tokens: 3,
        completion_tokens: 4,
        total_tokens: 13,
        completion_tokens_details: { reasoning_tokens: 6 },
      },
      [3, 10, 13],
    ],
    ["none", undefined, null],
    ["broken", { prompt_tokens: "3" }, null],
  ])("of %s", (_what, reported, expected) => {
    const usage = usageOf({ usage: reported });
    expect(usage === null ? null : [usage.input_tokens, usage.output_tokens, usage.total_tokens]).toEqual(
      expected,
    );
  });
});

describe("the body that is sent", () => {
  it("is the one received, but for the model", () => {
    const name = fc.string({ unit: "grapheme", minLength: 1 });
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string().filter((k) => k !== "model" && k !== "__proto__"),
          fc.jsonValue(),
        ),
        name,
        name,
        fc.nat(),
        (rest, old, model, at) => {
          const entries = Object.entries(rest);
          entries.splice(at % (entries.length + 1), 0, ["model", old]);
          const text = `{${entries.map(([k, v]) => `${JSON.stringify(k)} :\t${JSON.stringify(v)}`).join(" ,\n")} }`;
          const sent = withModel(text, model);
          expect(JSON.parse(sent)).toEqual({ ...JSON.parse(text), model });
          expect(withModel(sent, old)).toBe(text);
        },
      ),
    );
  });
});

describe("outcomes", () => {
  const outcome = (status: number, body: unknown = {}, headers: Record<string, string> = {}) =>
    outcomeOf(
      { status, headers: new Headers(headers), body: typeof body === "string" ? body : JSON.stringify(body) },
      NOW_MS,
    );

  it.each([
    [200, "completed"],
    [400, "rejected"],
    [413, "rejected"],
    [422, "rejected"],
    [301, "turned_away"],
    [401, "turned_away"],
    [403, "turned_away"],
    [404, "turned_away"],
    [408, "retry"],
    [409, "retry"],
    [429, "rate_limited"],
    [500, "retry"],
    [503, "retry"],
    [529, "retry"],
  ])("%i is %s", (status, kind) => {
    expect(outcome(status).kind).toBe(kind);
  });

  it("tells refusals apart", () => {
    const code = (error: object) => (outcome(400, { error }) as { code?: string }).code;
    expect(code({ code: "content_filter", innererror: { code: "ResponsibleAIPolicyViolation" } })).toBe(
      "content_filtered",
    );
    expect(code({ code: "context_length_exceeded" })).toBe("context_length_exceeded");
    expect(code({ code: "invalid_value" })).toBe("upstream_bad_request");
  });

  it.each(["", "<html>", "[]", "null", "{"])("a 200 with %j is tried again", (body) => {
    expect(outcome(200, body)).toMatchObject({ kind: "retry", reason: "invalid_response" });
  });

  it("a response that says it failed did", () => {
    expect(outcome(200, { status: "failed", error: { code: "server_error" } }).kind).toBe("retry");
    expect(outcome(200, { status: "failed", error: { code: "rate_limit_exceeded" } }).kind).toBe(
      "rate_limited",
    );
    expect(outcome(200, { status: "failed", error: { code: "invalid_prompt" } }).kind).toBe("rejected");
    expect(outcome(200, { status: "completed" }).kind).toBe("completed");
  });

  it.each<[Record<string, string>, number | null]>([
    [{ "retry-after": "3" }, 3000],
    [{ "retry-after": "0.5" }, 500],
    [{ "retry-after-ms": "250", "retry-after": "3" }, 250],
    [{ "retry-after": new Date(NOW_MS + 7000).toUTCString() }, 7000],
    [{ "retry-after": new Date(NOW_MS - 7000).toUTCString() }, 0],
    [{ "retry-after": "soon" }, null],
    [{ "retry-after": "-3" }, null],
    [{}, null],
  ])("Retry-After %o", (headers, ms) => {
    expect(retryAfterMsOf(new Headers(headers), NOW_MS)).toBe(ms);
  });

  it("back-off doubles, within its bounds, and is never at once", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        (attempt, random) => {
          const ms = backOffMs(attempt, () => random);
          expect(ms).toBeGreaterThanOrEqual(Math.min(500 * 2 ** (attempt - 1), 60_000) / 2);
          expect(ms).toBeLessThanOrEqual(60_000);
        },
      ),
    );
  });
});
