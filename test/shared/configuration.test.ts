import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { loadConfiguration } from "../../shared/configuration.ts";
import { ConfigurationError } from "../../shared/errors.ts";

const DEPLOYMENT = {
  ...{ name: "d", provider: "openai", model: "gpt-sim", base_url: "http://127.0.0.1:1/v1" },
  ...{ auth: { kind: "none" }, endpoints: ["/v1/chat/completions"], simulated: true },
  price: { currency: "USD", input_per_million: 1, output_per_million: 1 },
};
const ENVIRONMENT = {
  SERVICEBUS: "Endpoint=sb://127.0.0.1;UseDevelopmentEmulator=true;",
  COSMOS: "AccountEndpoint=http://127.0.0.1/;AccountKey=k",
};

/** Why the start is refused. */
function faultsOf(change: {
  models?: string;
  tenant?: object;
  environment?: Record<string, string>;
}): string {
  const files: Record<string, string> = {
    "models.json": change.models ?? JSON.stringify({ deployments: [DEPLOYMENT] }),
    "tenants.json": JSON.stringify({ tenants: [{ id: "team-a", ...change.tenant }] }),
  };
  const environment = { ...ENVIRONMENT, ...change.environment };
  try {
    loadConfiguration(
      environment,
      (file) => files[file] ?? "",
      () => "1",
    );
    return "";
  } catch (thrown) {
    if (thrown instanceof ConfigurationError) return thrown.message;
    throw thrown;
  }
}

it("refuses a name that is like a known one, and names that", () => {
  expect(faultsOf({})).toBe("");
  expect(faultsOf({ tenant: { deny_providers: ["opneai"] } })).toContain("is it openai?");
  expect(faultsOf({ tenant: { allow_models: ["gpt-smi"] } })).toContain("is it gpt-sim?");
  expect(faultsOf({ tenant: { allow_models: ["gtp-*"] } })).toContain("is it gpt-*?");
  expect(faultsOf({ tenant: { allow_models: ["gpt-smi*"] } })).toContain("is it gpt-sim*?");
  expect(faultsOf({ tenant: { allow_models: ["*-sim"] } })).toContain("the end of a name");
  expect(faultsOf({ environment: { MAX_ATEMPTS: "3" } })).toContain("is it MAX_ATTEMPTS?");
});

it("takes names that are unlike any: a lab may be denied before it is there", () => {
  const tenant = { deny_providers: ["anthropic"], allow_models: ["claude-5", "gpt-*", "gem*", "g*", "*"] };
  expect(faultsOf({ tenant, environment: { WEBSITE_SKU: "Flex" } })).toBe("");
});

it("takes the local stack's keys beside emulators on this machine only", () => {
  const tenant = { key_sha256: [createHash("sha256").update("local-team-a").digest("hex")] };
  expect(faultsOf({ tenant })).toBe("");
  for (const COSMOS of [
    "AccountEndpoint=https://acc.documents.azure.com:443/;AccountKey=k",
    "AccountEndpoint=https://localhost.example:443/;AccountKey=k",
  ])
    expect(faultsOf({ tenant, environment: { COSMOS } })).toContain("a key of the local stack");
  const SERVICEBUS = "Endpoint=sb://ns.servicebus.windows.net;SharedAccessKeyName=n;SharedAccessKey=k";
  expect(faultsOf({ tenant, environment: { SERVICEBUS } })).toContain("a key of the local stack");
});

it("says in which line and column a file is wrong", () => {
  const wrong = { ...DEPLOYMENT, endpoints: "all" };
  const models = JSON.stringify({ deployments: [DEPLOYMENT, wrong] }, null, 2);
  const lines = models.split("\n");
  const line = lines.findIndex((each) => each.includes('"all"')) + 1;
  const column = (lines[line - 1] ?? "").indexOf('"all"') + 1;
  expect(faultsOf({ models })).toContain(`(line ${line}, column ${column})`);
  expect(faultsOf({ models: '{\n  "deployments": [,]\n}' })).toContain("line 2, column 19");
});

it("refuses a deployment that bears more calls than an instance runs, and says where", () => {
  const models = JSON.stringify({ deployments: [{ ...DEPLOYMENT, limits: { concurrency: 513 } }] });
  expect(faultsOf({ models })).toContain("concurrency: 513 is over MAX_CALLS, which is 512 (line 1");
  expect(faultsOf({ models, environment: { MAX_CALLS: "513" } })).toBe("");
});
