import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseCatalogue } from "../../../shared/model/catalogue.ts";

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
      "plain http to a public host, though it says it may",
      [deployment("a", { base_url: "http://example.test/v1", allow_http: true })],
      [],
      "must be https",
    ],
    [
      "plain http to a private host that does not say it may",
      [deployment("a", { base_url: "http://10.0.0.1/v1" })],
      [],
      "allow_http",
    ],
    [
      "a protocol that nobody knows",
      [deployment("a", { protocol: "messages" })],
      [],
      "/deployments/0/protocol",
    ],
    [
      "a call that may take for ever",
      [deployment("a", { timeout_seconds: 100_000 })],
      [],
      "/deployments/0/timeout_seconds",
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

  it.each([
    "http://10.1.2.3/v1",
    "http://172.20.0.1:8000/v1",
    "http://[fd00::1]/v1",
    "http://ollama:11434/v1",
    "http://relay.internal/v1",
  ])("takes %s where it is said that it may", (base_url) => {
    expect(faultsOf({ deployments: [deployment("a", { base_url, allow_http: true })] })).toEqual([]);
  });

  it("takes the names that labs use", () => {
    for (const model of ["@cf/meta/llama-3.1-8b-instruct", "claude-sonnet-4@20250514", "a/b:free", "o3+x"])
      expect(faultsOf({ deployments: [deployment("a", { model })], routes: [] })).toEqual([]);
    expect(faultsOf({ deployments: [deployment("a", { model: "a b" })] })).toHaveLength(1);
  });

  it("takes examples/models.foundry.json", () => {
    const text = readFileSync(new URL("../../../examples/models.foundry.json", import.meta.url), "utf8");
    expect(faultsOf(JSON.parse(text), { DEEPSEEK_KEY: "x", RELAY_KEY: "x" })).toEqual([]);
  });
});
