import { afterAll, expect, it } from "vitest";
import { loadConfiguration } from "../../../../shared/configuration.ts";
import { FRESH_MS } from "../../../../shared/fresh-copy.ts";
import { sha256Hex } from "../../../../shared/sha256.ts";
import { World } from "../../world.ts";
import { Operated, TENANTS_FILE, tenantsFrom } from "./operated.ts";

const world = await World.open({ startMs: 1_800_000_000_000 });
afterAll(() => world.close());
world.tenants = tenantsFrom(TENANTS_FILE);
world.environment = { LAB_KEY: "the key itself" };
const one = new Operated(world, "one");

const SETTINGS = {
  SERVICEBUS: "Endpoint=sb://127.0.0.1;UseDevelopmentEmulator=true;SharedAccessKeyName=k;SharedAccessKey=v",
  COSMOS: "AccountEndpoint=http://127.0.0.1:1/;AccountKey=AAAA;",
};

it("what was clicked becomes code: the files that are exported say what is in force", async () => {
  const entry = {
    ...{ provider: "mistral", model: "m", base_url: "https://lab.example/v1", context_tokens: 9_000 },
    ...{ auth: { kind: "api_key", setting: "LAB_KEY" }, endpoints: ["/v1/chat/completions"] },
    price: { currency: "USD", input_per_million: 1, output_per_million: 2 },
  };
  await one.ops(200, "PUT", "deployments/mistral-one", entry);
  const targets = [{ deployment: "mistral-one" }, { deployment: "openai-one" }];
  await one.ops(200, "PUT", "routes/mixed", { strategy: "weighted", targets });
  await one.ops(200, "PUT", "limits/openai-one", { requests_per_minute: 7 });
  await one.ops(200, "PUT", "weights/routes/mixed", { weights: { "openai-one": 5 } });
  await one.ops(200, "PUT", "weights/tenants/team-b", { weight: 4 });
  await one.ops(200, "PUT", "tenants/team-c", { budget: { currency: "USD", per_day: 3 }, weight: 2 });
  const expires_at = Math.ceil(world.clock.now() / 1000) + 600;
  const made = await one.ops(201, "POST", "tenants/team-a/keys", { name: "ci", expires_at });
  await one.ops(200, "PUT", "switches/provider/xai", { state: "off" });
  const { service } = one.instance;

  const whole = await one.ops(200, "GET", "export");
  const files = new Map<string, string>();
  for (const file of ["models", "tenants"]) {
    const { text } = await one.call("GET", `/api/ops/export?file=${file}`);
    expect(JSON.parse(text)).toEqual(whole[file]);
    files.set(`${file}.json`, text);
  }
  expect(JSON.stringify(whole)).not.toMatch(new RegExp(`the key itself|${made.key}`));
  expect(JSON.stringify(whole)).toContain(sha256Hex(made.key));

  // An app with these files, and nothing set in its store.
  const loaded = loadConfiguration(
    { ...SETTINGS, ...world.environment },
    (file) => files.get(file) ?? "",
    () => "0",
  );
  const { catalogue, tenants } = service;
  expect(loaded.catalogue.deployments).toEqual(catalogue().deployments);
  expect(loaded.catalogue.models.map(withoutSwitches)).toEqual(catalogue().models.map(withoutSwitches));
  expect(loaded.tenants.all).toEqual(tenants().all.map(({ id }) => tenants().get(id)));
  expect(loaded.tenants.byKeyHash(sha256Hex(made.key))).toMatchObject({
    tenant: { id: "team-a" },
    key: { expires_at },
  });
  expect(loaded.tenants.operators).toEqual(tenants().operators);

  // And beside what is still set, it changes nothing.
  Object.assign(world, { catalogue: loaded.catalogue, tenants: loaded.tenants });
  world.clock.advance(FRESH_MS + 1);
  expect(await one.ops(200, "GET", "export")).toEqual(whole);
  expect((await one.ops(200, "GET", "tenants/team-a/keys")).data).toHaveLength(1);
});

function withoutSwitches<T extends { readonly targets: readonly { readonly off?: unknown }[] }>(model: T) {
  return { ...model, targets: model.targets.map(({ off: _, ...target }) => target) };
}
