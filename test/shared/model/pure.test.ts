import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCatalogue } from "../../../shared/model/catalogue.ts";
import { backOffMs } from "../../../shared/model/outcome.ts";
import { withModel } from "../../../shared/model/protocol/openai/request-body.ts";

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
