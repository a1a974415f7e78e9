import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { PROFILES } from "../../../local/model-endpoints/profiles.ts";
import { parseCatalogue } from "../../../shared/model/catalogue.ts";
import { sha256Hex } from "../../../shared/sha256.ts";
import { parseTenants } from "../../../shared/tenant/tenants.ts";

const json = (file: string) => JSON.parse(readFileSync(new URL(`../../../${file}`, import.meta.url), "utf8"));

it("models.json names the simulated models, and all they can do", () => {
  const parsed = parseCatalogue(json("models.json"), { settings: {} });
  if ("faults" in parsed) throw new Error(parsed.faults.join("\n"));
  const deployments = new Map(
    parsed.catalogue.deployments.map((deployment) => [deployment.model, deployment]),
  );
  const simulated = PROFILES.flatMap((lab) => lab.models.map((model) => ({ lab, model })));
  expect([...deployments.keys()].sort()).toEqual(simulated.map(({ model }) => model.name).sort());
  for (const { lab, model } of simulated) {
    const deployment = deployments.get(model.name);
    expect(deployment).toMatchObject({
      provider: lab.name,
      base_url: `http://127.0.0.1:7072/${lab.name}/v1`,
      // Its requests are put in Claude's words.
      endpoints: lab.name === "anthropic" ? ["/v1/chat/completions"] : model.endpoints,
      simulated: true,
      context_tokens: model.contextTokens,
      limits: {
        requests_per_minute: model.limits?.requestsPerMinute,
        tokens_per_minute: model.limits?.tokensPerMinute,
        window_seconds: model.limits?.windowSeconds,
      },
    });
    const can = { tools: model.tools, json_schema: model.jsonSchema, vision: model.vision };
    for (const [capability, able] of Object.entries(can)) {
      expect(deployment?.capabilities.some((each) => each === capability)).toBe(able);
    }
    expect(deployment?.capabilities.includes("reasoning")).toBe(model.reasoning !== "none");
    expect(deployment?.max_output_tokens ?? 0).toBe(model.maxOutputTokens);
    expect(deployment?.dialect?.refuse ?? []).toEqual(model.refusedParameters);
  }
});

it("any-lab is a route over three labs, every-lab over all", () => {
  const parsed = parseCatalogue(json("models.json"), { settings: {} });
  if ("faults" in parsed) throw new Error(parsed.faults.join("\n"));
  const providers = parsed.catalogue.targets("any-lab").map((target) => target.provider);
  expect(providers).toEqual(["openai", "xai", "deepseek"]);
  const every = parsed.catalogue.targets("every-lab").map((target) => target.provider);
  expect(every).toEqual(["anthropic", "openai", "xai", "deepseek"]);
});

it("tenants.json knows the local keys, and is refused anywhere else", () => {
  const parsed = parseTenants(json("tenants.json"), { local: true });
  if ("faults" in parsed) throw new Error(parsed.faults.join("\n"));
  expect(parsed.tenants.byKeyHash(sha256Hex("local-team-a"))).toMatchObject({
    kind: "tenant",
    tenant: { id: "team-a" },
  });
  expect(parsed.tenants.byKeyHash(sha256Hex("local-team-b"))).toMatchObject({
    kind: "tenant",
    tenant: { id: "team-b" },
  });
  expect(parsed.tenants.byKeyHash(sha256Hex("local-operator"))).toMatchObject({
    kind: "operator",
    operator: { id: "ops" },
  });
  expect(parseTenants(json("tenants.json"), { local: false })).toHaveProperty("faults");
});
