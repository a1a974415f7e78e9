import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { FRESH_MS } from "../../../../shared/fresh-copy.ts";
import { answer, completion } from "../../labs.ts";
import { World } from "../../world.ts";
import { Operated, TENANTS_FILE, tenantsFrom } from "./operated.ts";

const world = await World.open({ startMs: 1_800_000_000_000 });
afterAll(() => world.close());
world.tenants = tenantsFrom(TENANTS_FILE);
world.environment = { LAB_KEY: "secret", MISTRAL: "secret" };
const one = new Operated(world, "one");
const two = new Operated(world, "two");
beforeEach(() => world.clock.advance(FRESH_MS + 1));

/** An entry as the models file has it, but for its name. */
const entry = (name: string, change: object = {}) => ({
  ...{ provider: "mistral", model: `${name}-model`, base_url: `${world.labs.url}/${name}/v1` },
  ...{ auth: { kind: "none" }, endpoints: ["/v1/chat/completions"], simulated: true },
  price: { currency: "USD", input_per_million: 1, output_per_million: 2 },
  ...change,
});
const models = async (door: Operated) => {
  const { data } = (await door.call("GET", "/api/models", { key: "team-a" })).json;
  return data.map(({ id }: { id: string }) => id);
};
const submit = async (model: string, key = "team-a") => {
  const body = { model, messages: [{ role: "user", content: "Hi" }] };
  const answer = await one.call("POST", "/api/jobs", { key, body: { body } });
  return answer.json;
};

async function faultsOf(path: string, body: object): Promise<string[]> {
  const { code, faults } = await one.ops(400, "PUT", path, body);
  expect(code).toBe("invalid_request");
  return faults.map((each: { path: string; message: string }) => `${each.path}: ${each.message}`);
}

describe("deployments", () => {
  it("that are set are served by every instance, and gone once they are taken back", async () => {
    world.labs.reply("mistral-one", answer(200, completion("Bonjour")));
    await one.ops(200, "PUT", "deployments/mistral-one", { ...entry("mistral-one"), reason: "a new lab" });
    world.clock.advance(FRESH_MS + 1);
    expect(await models(two)).toContain("mistral-one-model");
    expect(await two.ops(200, "GET", "deployments/mistral-one")).toMatchObject({
      ...{ object: "deployment", name: "mistral-one", source: "store", reason: "a new lab" },
      ...{ model: "mistral-one-model", auth: { kind: "none" }, limits: {} },
    });
    const { data } = await two.ops(200, "GET", "deployments");
    expect(data.map((each: { name: string; source: string }) => [each.name, each.source])).toEqual([
      ["openai-one", "file"],
      ["xai-two", "file"],
      ["mistral-one", "store"],
    ]);
    const { id } = await submit("mistral-one-model");
    expect(id).toEqual(expect.any(String));
    for (const nudge of world.nudges.take(world.clock.now())) await two.instance.run(nudge);
    expect((await world.job({ tenant_id: "team-a", job_id: id })).status).toBe("completed");
    await two.ops(204, "DELETE", "deployments/mistral-one");
    world.clock.advance(FRESH_MS + 1);
    expect(await models(one)).not.toContain("mistral-one-model");
    expect((await submit("mistral-one-model")).code).toBe("model_not_found");
    const events = (await one.ops(200, "GET", "audit?limit=2")).data;
    expect(events.map((each: { event: string }) => each.event)).toEqual(Array(2).fill("deployment_changed"));
    expect(events[0].details).toMatchObject({ kind: "deployment", name: "mistral-one", to: null });
  });

  it("take the place of the file's, and leave it when they are taken back", async () => {
    const { context_tokens } = await one.ops(200, "GET", "deployments/xai-two");
    expect(context_tokens).toBeUndefined();
    const change = { provider: "xai", model: "xai-two-model", context_tokens: 1000 };
    await one.ops(200, "PUT", "deployments/xai-two", entry("xai-two", change));
    const { details } = (await one.ops(200, "GET", "audit?limit=1")).data[0];
    expect(details).toMatchObject({ from: { name: "xai-two" }, to: { context_tokens: 1000 } });
    expect(await two.ops(200, "GET", "deployments/xai-two")).toMatchObject({
      context_tokens: 1000,
      source: "store",
    });
    await two.ops(204, "DELETE", "deployments/xai-two");
    expect(await one.ops(200, "GET", "deployments/xai-two")).toMatchObject({ source: "file" });
    expect((await one.ops(409, "DELETE", "deployments/xai-two")).code).toBe("set_by_file");
    expect((await one.ops(404, "DELETE", "deployments/nobody")).code).toBe("setting_not_found");
    expect((await one.ops(404, "GET", "deployments/nobody")).code).toBe("setting_not_found");
  });

  it("are left as they are by a PUT that wants a new one", async () => {
    const make = async (path: string, body: object) => {
      const { status, json } = await one.call("PUT", `/api/ops/${path}`, {
        ...{ body, headers: { "if-none-match": "*" } },
      });
      return [status, json.code];
    };
    const route = { strategy: "ordered", targets: [{ deployment: "xai-two" }] };
    expect(await make("deployments/only-new", entry("only-new"))).toEqual([200, undefined]);
    // The same again would change nothing, and is there all the same.
    expect(await make("deployments/only-new", entry("only-new"))).toEqual([412, "exists_already"]);
    expect(await make("deployments/xai-two", entry("xai-two"))).toEqual([412, "exists_already"]);
    expect(await make("routes/both", route)).toEqual([412, "exists_already"]);
    expect(await make("routes/only-new", route)).toEqual([200, undefined]);
    await one.ops(204, "DELETE", "routes/only-new");
    await one.ops(204, "DELETE", "deployments/only-new");
  });

  it("are refused with every fault, as the file is", async () => {
    const change = {
      ...{ base_url: "http://lab.example/v1?x=1", limits: { concurrency: 9_999 } },
      ...{ auth: { kind: "api_key", setting: "NOT_THERE" }, model: "both" },
    };
    expect(await faultsOf("deployments/faulty", entry("faulty", change))).toEqual([
      expect.stringMatching(/^: base_url must be https/),
      ": base_url must not hold a user name, a query or a fragment",
      ": the setting NOT_THERE, which should hold its key, is missing",
      "/routes/0: both is a deployment's model as well: a client could not tell which it gets",
      "/limits/concurrency: 9999 is over MAX_CALLS, which is 512",
    ]);
    expect(
      await faultsOf("deployments/faulty", { ...entry("faulty"), provider: "X!", key: "sk" }),
    ).toHaveLength(2);
    expect(await faultsOf("deployments/-", entry("faulty"))).toHaveLength(1);
  });

  it("name an app setting for their key, and never one of the service's own", async () => {
    const auth = (setting: string) => entry("keyed", { auth: { kind: "api_key", setting } });
    await one.ops(200, "PUT", "deployments/keyed", auth("LAB_KEY"));
    expect((await one.call("GET", "/api/ops/deployments/keyed")).text).not.toContain("secret");
    await one.ops(204, "DELETE", "deployments/keyed");
    world.environment = {
      ...world.environment,
      COSMOS: "c",
      OPERATOR_KEY_SHA256: "d",
      WEBSITE_AUTH_KEY: "e",
    };
    const three = new Operated(world, "three");
    for (const setting of ["COSMOS", "OPERATOR_KEY_SHA256", "WEBSITE_AUTH_KEY"]) {
      const { faults } = await three.ops(400, "PUT", "deployments/keyed", auth(setting));
      expect(faults).toEqual([{ path: "/auth", message: expect.stringContaining("the service's own") }]);
    }
    const entra = (base_url: string, scope = "https://cognitiveservices.azure.com/.default") =>
      entry("azure", { base_url, auth: { kind: "entra", scope } });
    await one.ops(200, "PUT", "deployments/azure", entra("https://mine.openai.azure.com/openai/v1"));
    await one.ops(204, "DELETE", "deployments/azure");
    for (const refused of [
      entra("https://lab.example/v1"),
      entra("https://mine.openai.azure.com/openai/v1", "https://cosmos.azure.com/.default"),
    ])
      expect(await faultsOf("deployments/azure", refused)).toHaveLength(1);
  });
});

describe("routes", () => {
  it("are set and taken back, and keep the deployments they name", async () => {
    await one.ops(200, "PUT", "deployments/mistral-two", entry("mistral-two"));
    const targets = [{ deployment: "mistral-two", weight: 3 }, { deployment: "xai-two" }];
    await one.ops(200, "PUT", "routes/fair", { strategy: "weighted", targets });
    world.clock.advance(FRESH_MS + 1);
    expect(await models(two)).toContain("fair");
    const { data } = await two.ops(200, "GET", "routes");
    expect(data.map((each: { model: string; source: string }) => [each.model, each.source])).toEqual([
      ["both", "file"],
      ["fair", "store"],
    ]);
    expect(await one.ops(400, "DELETE", "deployments/mistral-two")).toMatchObject({
      faults: [{ path: "/routes/1", message: "there is no deployment mistral-two" }],
    });
    await one.ops(204, "DELETE", "routes/fair");
    await one.ops(204, "DELETE", "deployments/mistral-two");
    expect((await one.ops(409, "DELETE", "routes/both")).code).toBe("set_by_file");
  });

  it("are refused with every fault", async () => {
    const targets = [{ deployment: "nobody" }, { deployment: "xai-two" }, { deployment: "xai-two" }];
    expect(await faultsOf("routes/xai-two-model", { strategy: "ordered", targets })).toEqual([
      ": there is no deployment nobody",
      ": the target xai-two is named twice",
      expect.stringContaining("xai-two-model is a deployment's model as well"),
    ]);
  });

  it("that change let jobs that wait choose anew", async () => {
    await one.ops(200, "PUT", "deployments/mistral-three", entry("mistral-three"));
    const targets = (deployment: string) => ({ strategy: "ordered", targets: [{ deployment }] });
    await one.ops(200, "PUT", "routes/moved", targets("mistral-three"));
    await one.ops(200, "PUT", "switches/deployment/mistral-three", { state: "drained", mode: "park" });
    const { id } = await submit("moved");
    const key = { tenant_id: "team-a", job_id: id };
    for (const nudge of world.nudges.take(world.clock.now())) await one.instance.run(nudge);
    expect((await world.job(key)).status).toBe("queued");
    world.labs.reply("openai-one", answer(200, completion("Hello")));
    await one.ops(200, "PUT", "routes/moved", targets("openai-one"));
    await one.ops(204, "DELETE", "deployments/mistral-three");
    world.clock.advance(FRESH_MS + 1);
    await two.instance.sweep();
    for (const nudge of world.nudges.take(world.clock.now())) await two.instance.run(nudge);
    expect((await world.job(key)).status).toBe("completed");
    await one.ops(200, "DELETE", "switches/deployment/mistral-three");
    await one.ops(204, "DELETE", "routes/moved");
  });
});

it("limits that name none are refused, and the ones before stay", async () => {
  await one.ops(200, "PUT", "limits/xai-two", { concurrency: 2 });
  expect(await faultsOf("limits/xai-two", { reason: "no field filled in" })).toEqual([
    ": names no limit: give at least one, or set the deployment without limits",
  ]);
  const { limits } = await one.ops(200, "GET", "switches");
  expect(limits).toMatchObject([{ deployment: "xai-two", limits: { concurrency: 2 } }]);
  await one.ops(200, "DELETE", "limits/xai-two");
});

it("an entry that the file has changed under is left out, and the rest is served", async () => {
  const targets = [{ deployment: "xai-two" }];
  await one.ops(200, "PUT", "routes/only-xai", { strategy: "ordered", targets });
  await one.ops(200, "PUT", "deployments/mistral-four", entry("mistral-four"));
  const file = world.catalogue;
  try {
    world.catalogue = world.labs.catalogue("openai-one");
    const served = await models(new Operated(world, "four"));
    expect(served).toEqual(expect.arrayContaining(["openai-one-model", "mistral-four-model"]));
    expect(served).not.toContain("only-xai");
  } finally {
    world.catalogue = file;
  }
});
