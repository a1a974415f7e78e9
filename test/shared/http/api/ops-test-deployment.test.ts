import { afterAll, expect, it } from "vitest";
import { answer, completion, silence } from "../../labs.ts";
import { World } from "../../world.ts";
import { Operated, TENANTS_FILE, tenantsFrom } from "./operated.ts";

const world = await World.open({ startMs: 1_800_000_000_000 });
afterAll(() => world.close());
world.tenants = tenantsFrom(TENANTS_FILE);
const one = new Operated(world, "one");
const records = async (limit: number) => (await one.ops(200, "GET", `audit?limit=${limit}`)).data;

it("makes one small real call, told with its cost and what its headers say, and both on record", async () => {
  const headers = { "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59" };
  world.labs.reply("openai-one", answer(200, completion("ok"), headers));
  const test = await one.ops(200, "POST", "deployments/openai-one/test");
  expect(test).toMatchObject({
    ...{ object: "deployment_test", deployment: "openai-one", outcome: "completed", status_code: 200 },
    ...{ usage: { input_tokens: 10, output_tokens: 5 }, cost: { amount: "0.00002", currency: "USD" } },
    ...{ cost_unknown: null, message: null, endpoint: "/v1/chat/completions" },
    limits: { requests: { per_minute: 60, left: 59 }, tokens: null },
  });
  const [call] = world.labs.calls;
  expect(world.labs.calls).toHaveLength(1);
  expect(JSON.parse(call?.body ?? "")).toMatchObject({
    model: "openai-one-model",
    messages: [{ role: "user" }],
  });
  const [tested, started] = await records(2);
  expect([started.event, tested.event]).toEqual(["test_started", "deployment_tested"]);
  expect(tested.details).toMatchObject({ name: "openai-one", cost: { amount: "0.00002" } });
  expect(started.details.request_sha256).toBe(tested.details.request_sha256);
});

it("tells a refusal in the lab's words, without a cost", async () => {
  world.labs.reply("xai-two", answer(401, { error: { message: "wrong key" } }));
  const test = await one.ops(200, "POST", "deployments/xai-two/test");
  expect(test).toMatchObject({ outcome: "turned_away", status_code: 401, cost: null, cost_unknown: null });
  expect(test.message).toContain("wrong key");
});

it("gives up after a minute, and says that nobody knows what it cost", async () => {
  world.labs.reply("xai-two", silence);
  const called = world.labs.nextCall();
  const testing = one.ops(200, "POST", "deployments/xai-two/test");
  await called;
  world.clock.advance(60_000);
  expect(await testing).toMatchObject({ outcome: "aborted", cost: null, cost_unknown: "no_answer" });
});

it("asked for twice by one key calls once", async () => {
  world.labs.reply("openai-one", answer(200, completion("ok")));
  const before = world.labs.calls.length;
  const ask = () =>
    one.call("POST", "/api/ops/deployments/openai-one/test", { headers: { "idempotency-key": "once" } });
  const [first, second] = [await ask(), await ask()];
  expect(second.json).toEqual(first.json);
  expect(world.labs.calls.length - before).toBe(1);
  expect((await one.ops(404, "POST", "deployments/nobody/test")).code).toBe("setting_not_found");
});

it("sends no prompt where that it will is not on record", async () => {
  const before = world.labs.calls.length;
  const trail = { ...world.ports.trail, view: () => Promise.reject(new Error("no record")) };
  const other = new Operated(world, "other", { trail: trail as never });
  expect((await other.call("POST", "/api/ops/deployments/openai-one/test")).status).toBe(500);
  expect(world.labs.calls.length).toBe(before);
});
