import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Model } from "../../../shared/model/catalogue.ts";
import { catalogueOf, type Deployment } from "../../../shared/model/catalogue.ts";
import { type Choice, type ChoiceInput, chooseDeployment, mayUse } from "../../../shared/model/choice.ts";
import { dialectSchema } from "../../../shared/model/dialect.ts";
import { createLatencies } from "../../../shared/model/latency.ts";
import { capabilitiesAsked } from "../../../shared/model/protocol/openai/request-ask.ts";
import { readAsk } from "../../../shared/model/protocol/protocols.ts";
import type { WaitCause } from "../../../shared/model/wait-cause.ts";

const CHAT = "/v1/chat/completions";

const deployment = (name: string, change: Partial<Deployment> = {}): Deployment => ({
  name,
  provider: "openai",
  protocol: "openai",
  model: `${name}-model`,
  base_url: "https://example.test/openai/v1",
  auth: { kind: "none" },
  endpoints: [CHAT],
  capabilities: [],
  limits: {},
  price: { currency: "USD", input_per_million: 1, output_per_million: 2 },
  simulated: false,
  ...change,
});

function routeOf(
  strategy: Model["strategy"],
  deployments: readonly Deployment[],
  weights: readonly number[] = [],
): Model {
  const targets = deployments.map((d, at) => ({ deployment: d.name, weight: weights[at] ?? 1 }));
  const model = catalogueOf(deployments, [{ model: "m", strategy, targets }]).model("m");
  if (model === undefined) throw new Error("no route");
  return model;
}

const body = { model: "m", messages: [{ role: "user", content: "Hello" }] };
const input = (model: Model | undefined, change: Partial<ChoiceInput> = {}): ChoiceInput => ({
  model,
  ask: readAsk(CHAT, () => body),
  tenant: { allow_models: ["*"], deny_providers: [] },
  refusedBy: [],
  tried: [],
  waitCause: () => undefined,
  latencyMs: () => undefined,
  seed: "job_1/1",
  nowMs: 0,
  ...change,
});
const nameOf = (choice: Choice): string =>
  choice.kind === "call" ? choice.deployment.name : `${choice.kind}: ${choice.reason}`;
const asking = (more: object, endpoint: "/v1/chat/completions" | "/v1/embeddings" = CHAT) => ({
  ask: readAsk(endpoint, () => ({ ...body, ...more })),
});

describe("the choice of a deployment", () => {
  const two = routeOf("ordered", [
    deployment("a", { capabilities: ["tools"] }),
    deployment("b", { provider: "xai", endpoints: ["/v1/embeddings", CHAT] }),
  ]);
  const choose = (change: Partial<ChoiceInput> = {}) => chooseDeployment(input(two, change));
  const waiting = (causes: Record<string, WaitCause>) => ({ waitCause: (name: string) => causes[name] });

  it("goes in order, past those that may not, cannot, will not or failed, and says so", () => {
    const seen = (change: Partial<ChoiceInput> = {}) => {
      const choice = choose(change);
      return [nameOf(choice), choice.reason];
    };
    expect(seen()).toEqual(["a", "target 1"]);
    expect(seen({ tenant: { allow_models: ["*"], deny_providers: ["openai"] } })).toEqual([
      "b",
      "target 2; passed over: a (provider denied)",
    ]);
    expect(seen(asking({}, "/v1/embeddings"))).toEqual(["b", "target 2; passed over: a (no /v1/embeddings)"]);
    expect(seen({ refusedBy: ["a"] })).toEqual(["b", "target 2; passed over: a (turned it away)"]);
    expect(seen({ tried: ["a"] })).toEqual(["b", "target 2; passed over: a (failed)"]);
    expect(seen({ tried: ["a", "b"] })).toEqual(["a", "target 1"]);
    expect(seen(waiting({ a: "rate_limited" }))).toEqual(["b", "target 2; passed over: a (rate limited)"]);
    expect(choose(waiting({ a: "deployment_failing", b: "concurrency" }))).toMatchObject({
      kind: "wait",
      cause: "deployment_failing",
      reason: "deployment_failing; passed over: a (deployment failing), b (concurrency)",
    });
    expect(choose({ ...waiting({ a: "not_granted", b: "no_slice" }), tried: ["a"] })).toMatchObject({
      cause: "no_slice",
      deployments: [{ name: "b" }],
    });
  });

  it("says nothing of a choice where there is none", () => {
    const one = routeOf("ordered", [deployment("a")]);
    expect(chooseDeployment(input(one)).reason).toBeNull();
    expect(chooseDeployment(input(one, waiting({ a: "rate_limited" }))).reason).toBe("rate_limited");
  });

  it("says why there is none", () => {
    const reason = (change: Partial<ChoiceInput>) => {
      const choice = choose(change);
      return choice.kind === "none" ? choice.reason : choice.kind;
    };
    const denied = ["openai", "xai"];
    expect(chooseDeployment(input(undefined)).reason).toBe("model_not_found");
    expect(reason({ tenant: { allow_models: ["x"], deny_providers: [] } })).toBe("model_not_allowed");
    expect(reason({ tenant: { allow_models: ["*"], deny_providers: denied } })).toBe("model_not_allowed");
    const embedding = { ask: readAsk("/v1/embeddings", () => ({ input: "x" })) };
    const chatOnly = chooseDeployment(input(routeOf("ordered", [deployment("a")]), embedding));
    expect(chatOnly.reason).toBe("endpoint_not_supported");
    expect(reason(asking({ reasoning_effort: "low" }))).toBe("capability_not_supported");
    const dialect = dialectSchema.parse({ refuse: ["stop"] });
    const refusing = routeOf("ordered", [deployment("a", { dialect }), deployment("b", { dialect })]);
    expect(chooseDeployment(input(refusing, asking({ stop: "x" })))).toMatchObject({
      reason: "capability_not_supported",
      unsayable: { param: "stop", why: "refuses stop" },
    });
    expect(reason({ refusedBy: ["a", "b"] })).toBe("all_refused");
  });

  it("bounds its words, however many targets there are", () => {
    const many = routeOf(
      "ordered",
      Array.from({ length: 99 }, (_, at) => deployment(`deployment-${at}`)),
    );
    const choice = chooseDeployment(
      input(many, { tried: many.targets.slice(0, 98).map((t) => t.deployment.name) }),
    );
    expect(nameOf(choice)).toBe("deployment-98");
    expect(choice.reason?.length).toBe(300);
  });

  it("passes over what is too small for the request, by the estimate", () => {
    const sized = routeOf("ordered", [
      deployment("small", { context_tokens: 1_000, max_output_tokens: 200 }),
      deployment("large"),
    ]);
    const chosen = (more: object) => chooseDeployment(input(sized, asking(more)));
    expect(nameOf(chosen({ max_tokens: 200 }))).toBe("small");
    expect(chosen({ max_tokens: 201 }).reason).toContain("small (answers of 201 tokens are too long)");
    const long = [{ role: "user", content: "word ".repeat(800) }];
    expect(chosen({ messages: long }).reason).toContain("small (about 1007 tokens are too many)");
  });

  it("passes over a dialect that cannot say the request", () => {
    const dialect = { rename: {}, refuse: ["stop"], values: {}, roles: {} };
    const spoken = routeOf("ordered", [deployment("strict", { dialect }), deployment("lax")]);
    expect(chooseDeployment(input(spoken, asking({ stop: "x" }))).reason).toBe(
      "target 2; passed over: strict (refuses stop)",
    );
    expect(nameOf(chooseDeployment(input(spoken, asking({ stop: null }))))).toBe("strict");
  });

  it("waits for a target that is switched off to park, and passes over one that is to fail over", () => {
    const switched = (mode: "park" | "fail_over", only = false): Model => ({
      ...two,
      targets: two.targets.map((target, at) =>
        at === 0 || only ? { ...target, off: { mode, by: "provider openai" } } : target,
      ),
    });
    expect(chooseDeployment(input(switched("park")))).toMatchObject({ kind: "wait", cause: "switched_off" });
    expect(chooseDeployment(input(switched("fail_over"))).reason).toBe(
      "target 2; passed over: a (switched off by provider openai)",
    );
    expect(chooseDeployment(input(switched("fail_over", true)))).toEqual({
      kind: "wait",
      cause: "switched_off",
      reason:
        "switched_off; passed over: a (switched off by provider openai), b (switched off by provider openai)",
    });
  });

  it("only ever calls what can serve, may serve and is free", () => {
    const names = ["a", "b", "c", "d"];
    const some = fc.subarray(names);
    fc.assert(
      fc.property(
        fc.constantFrom("ordered", "weighted", "cheapest", "fastest") as fc.Arbitrary<Model["strategy"]>,
        fc.record({ able: some, refused: some, tried: some, cooling: some, off: some }),
        fc.string(),
        (strategy, state, seed) => {
          const all = names.map((n) =>
            deployment(n, { capabilities: state.able.includes(n) ? ["tools"] : [] }),
          );
          const route = routeOf(strategy, all);
          const targets = route.targets.map((target) =>
            state.off.includes(target.deployment.name)
              ? { ...target, off: { mode: "fail_over" as const, by: "x" } }
              : target,
          );
          const choice = chooseDeployment(
            input(
              { ...route, targets },
              {
                ...asking({ tools: [{}] }),
                refusedBy: state.refused,
                tried: state.tried,
                waitCause: (n) => (state.cooling.includes(n) ? "rate_limited" : undefined),
                seed,
              },
            ),
          );
          const free = state.able.filter(
            (n) => !state.refused.includes(n) && !state.cooling.includes(n) && !state.off.includes(n),
          );
          if (choice.kind === "call") {
            expect(free).toContain(choice.deployment.name);
            const untried = free.filter((n) => !state.tried.includes(n));
            if (untried.length > 0) expect(untried).toContain(choice.deployment.name);
          } else expect(free).toEqual([]);
        },
      ),
    );
  });
});

describe("strategies", () => {
  it("draws by weight, the same for the same job and attempt", () => {
    const route = routeOf("weighted", [deployment("a"), deployment("b"), deployment("c")], [6, 3, 1]);
    const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
    const DRAWS = 5_000;
    for (let job = 0; job < DRAWS; job++) {
      const drawn = () => nameOf(chooseDeployment(input(route, { seed: `job_${job}/1` })));
      counts[drawn()] = (counts[drawn()] ?? 0) + 1;
      // One that is passed over leaves the order of the others as it was.
      if (drawn() === "a") {
        const without = { seed: `job_${job}/1`, refusedBy: ["b"] };
        expect(nameOf(chooseDeployment(input(route, without)))).toBe("a");
      }
    }
    expect(counts.a).toBeGreaterThan(0.57 * DRAWS);
    expect(counts.a).toBeLessThan(0.63 * DRAWS);
    expect(counts.c).toBeGreaterThan(0.08 * DRAWS);
    expect(counts.c).toBeLessThan(0.12 * DRAWS);
    expect(chooseDeployment(input(route)).reason).toMatch(/^drawn by weight [631]$/);
  });

  it("takes the cheapest for this request: long prompts and long answers differ", () => {
    const price = (inputPrice: number, outputPrice: number) => ({
      price: { currency: "USD", input_per_million: inputPrice, output_per_million: outputPrice },
    });
    const route = routeOf("cheapest", [deployment("a", price(1, 20)), deployment("b", price(4, 2))]);
    expect(nameOf(chooseDeployment(input(route)))).toBe("b");
    const long = { messages: [{ role: "user", content: "x".repeat(40_000) }], max_tokens: 10 };
    const choice = chooseDeployment(input(route, asking(long)));
    expect([nameOf(choice), choice.reason]).toEqual(["a", "cheapest, at most about 0.0102 USD"]);
  });

  it("takes the fastest by what was measured lately, and measures what was not", () => {
    const route = routeOf("fastest", [deployment("a"), deployment("b")]);
    let nowMs = 0;
    const latencies = createLatencies({ monotonic: () => nowMs });
    const choice = () => chooseDeployment(input(route, { latencyMs: (name) => latencies.latencyMs(name) }));
    expect([nameOf(choice()), choice().reason]).toEqual(["a", "fastest, to be measured"]);
    latencies.measured("a", CHAT, 300);
    expect(nameOf(choice())).toBe("b");
    latencies.measured("b", CHAT, 500);
    expect([nameOf(choice()), choice().reason]).toEqual(["a", "fastest, about 300 ms"]);
    for (let call = 0; call < 20; call++) latencies.measured("a", CHAT, 900);
    expect(nameOf(choice())).toBe("b");
    nowMs += 300_000;
    latencies.measured("b", CHAT, 500);
    expect([nameOf(choice()), choice().reason]).toEqual(["a", "fastest, to be measured"]);
  });

  it("knows how long calls of one endpoint take, but for one in twenty of the last forty", () => {
    let nowMs = 0;
    const latencies = createLatencies({ monotonic: () => nowMs });
    expect(latencies.p95Ms("a", CHAT)).toBe(undefined);
    latencies.measured("a", CHAT, 7_000);
    expect(latencies.p95Ms("a", CHAT)).toBe(7_000);
    for (let call = 1; call <= 38; call++) latencies.measured("a", CHAT, call);
    latencies.measured("a", CHAT, 9_000);
    expect(latencies.p95Ms("a", CHAT)).toBe(38);
    latencies.measured("a", "/v1/embeddings", 5);
    expect(latencies.p95Ms("a", "/v1/embeddings")).toBe(5);
    for (let call = 0; call < 40; call++) latencies.measured("a", CHAT, 1);
    expect(latencies.p95Ms("a", CHAT)).toBe(1);
    nowMs += 300_000;
    expect(latencies.p95Ms("a", CHAT)).toBe(undefined);
  });
});

it("knows what a body asks for, on each endpoint", () => {
  const asked = (endpoint: Parameters<typeof capabilitiesAsked>[0], request: object) =>
    [...capabilitiesAsked(endpoint, request)].sort();
  const part = (type: string) => [{ role: "user", content: [{ type: "text" }, { type }] }];
  expect(asked(CHAT, { messages: [{ content: "x" }], tools: [] })).toEqual([]);
  expect(
    asked(CHAT, { messages: part("image_url"), tools: [{}], response_format: { type: "json_schema" } }),
  ).toEqual(["json_schema", "tools", "vision"]);
  expect(asked(CHAT, { messages: part("input_audio"), reasoning_effort: "none" })).toEqual(["audio"]);
  expect(asked(CHAT, { reasoning_effort: "low" })).toEqual(["reasoning"]);
  expect(
    asked("/v1/responses", {
      input: part("input_image"),
      text: { format: { type: "json_schema" } },
      reasoning: { effort: "high" },
    }),
  ).toEqual(["json_schema", "reasoning", "vision"]);
  expect(asked("/v1/responses", { input: "text", reasoning: { summary: "auto" } })).toEqual([]);
  expect(asked("/v1/embeddings", { input: ["x"], tools: [{}] })).toEqual([]);
});

it("allows models by name, beginning or all", () => {
  expect([
    mayUse(["*"], "x"),
    mayUse(["gpt-*"], "gpt-5"),
    mayUse(["gpt-*"], "grok"),
    mayUse(["x"], "x"),
    mayUse([], "x"),
  ]).toEqual([true, true, false, true, false]);
});
