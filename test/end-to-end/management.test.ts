import { setTimeout as pause } from "node:timers/promises";
import { OpenAI } from "openai";
import { afterAll, beforeAll, expect, it } from "vitest";
import { chat, Stack } from "./stack.ts";

/** Two host processes: what an operator tells one, the other knows within 5 s. */
const stack = new Stack({}, ["--instances", "2"]);
beforeAll(() => stack.start());
afterAll(() => stack.remove());

const ops = async (status: number, method: string, route: string, body?: object) => {
  const call = { method, key: "local-operator", ...(body === undefined ? {} : { body }) };
  const answer = await stack.call(`/api/ops/${route}`, call);
  expect([answer.status, answer.text]).toEqual([status, expect.any(String)]);
  return answer.json;
};

/** Of two hosts that take turns: enough that neither was missed. */
const SIGHTINGS = 12;
/** Until every host has been seen to know it. */
async function known(isKnown: () => Promise<boolean>): Promise<void> {
  for (let seen = 0; seen < SIGHTINGS; ) {
    const isSeen = await isKnown();
    seen = isSeen ? seen + 1 : 0;
    if (!isSeen) await pause(50);
  }
}

it("a tenant, its key and a deployment made on one instance serve the SDK on both, and a revoked key neither", {
  tags: ["long"],
}, async () => {
  const made = await ops(200, "PUT", "tenants/newcomer", { allow_models: ["copied", "gpt-sim"] });
  expect(made).toMatchObject({ id: "newcomer", source: "store" });
  const key = await ops(201, "POST", "tenants/newcomer/keys", { name: "laptop" });
  const deployments = (await ops(200, "GET", "deployments")).data;
  const { name } = deployments.find(({ model }: { model: string }) => model === "gpt-sim");
  const {
    object,
    source,
    since,
    actor,
    reason,
    name: _,
    ...entry
  } = await ops(200, "GET", `deployments/${name}`);
  expect([object, source, since, actor, reason]).toEqual(["deployment", "file", null, null, null]);
  await ops(200, "PUT", "deployments/copy", entry);
  await ops(200, "PUT", "routes/copied", { strategy: "ordered", targets: [{ deployment: "copy" }] });
  const status = async (route: string) => (await stack.call(route, { key: key.key })).status;
  await known(async () => (await status("/openai/v1/models/copied")) === 200);

  const client = new OpenAI({ baseURL: `${stack.url}/openai/v1`, apiKey: key.key });
  for (let n = 0; n < 4; n++) {
    const completion = await client.chat.completions.create(chat("Hello", "copied") as never);
    expect(completion.choices[0]?.message.content).toEqual(expect.any(String));
  }
  const { id } = (await stack.submit(chat("Hello", "copied"), { key: key.key })).json;
  const ended = await stack.ended(id, { key: key.key });
  expect(ended.json).toMatchObject({ status: "completed", deployment: "copy" });
  const [listed] = (await ops(200, "GET", "tenants/newcomer/keys")).data;
  expect(listed).toMatchObject({ id: key.id, name: "laptop", last_used_at: expect.any(Number) });

  const test = await ops(200, "POST", "deployments/copy/test");
  expect(test).toMatchObject({ outcome: "completed", cost: { currency: "USD" } });
  await ops(204, "DELETE", `tenants/newcomer/keys/${key.id}`);
  await known(async () => (await status("/openai/v1/models/copied")) === 401);
  await expect(client.models.list()).rejects.toMatchObject({ status: 401 });

  await ops(204, "DELETE", "routes/copied");
  await ops(204, "DELETE", "deployments/copy");
  await ops(204, "DELETE", "tenants/newcomer");
  const models = async () => (await stack.call("/api/models")).json.data.map(({ id }: { id: string }) => id);
  await known(async () => !(await models()).includes("copied"));
  const events = (await ops(200, "GET", "audit?limit=20")).data.map(({ event }: { event: string }) => event);
  expect(events).toEqual([
    ...["tenant_changed", "deployment_changed", "route_changed", "key_revoked", "deployment_tested"],
    ...["test_started", "route_changed", "deployment_changed", "key_made", "tenant_changed"],
  ]);
});

it("jobs that wait are cancelled by filter, and the operation ends by itself", async () => {
  await ops(200, "PUT", "switches/deployment/grok-sim-local", { state: "drained", mode: "park" });
  const ids: string[] = [];
  for (let n = 0; n < 20; n++) ids.push((await stack.submit(chat("Hello", "grok-sim"))).json.id);
  const { id } = await ops(202, "POST", "jobs/cancel", { filter: { tenant: "team-a" }, reason: "runaway" });
  for (;;) {
    const { status, counts } = await ops(200, "GET", `operations/${id}`);
    if (status === "ended") {
      expect(counts.cancelled).toBeGreaterThan(0);
      break;
    }
    await pause(50);
  }
  for (const job of ids) expect((await stack.ended(job)).json.status).not.toBe("queued");
  const metrics = await stack.call("/api/ops/metrics", { key: "local-operator" });
  expect(metrics.text).toContain(
    'switchyard_switched{kind="deployment",name="grok-sim-local",state="drained"} 1',
  );
  await ops(200, "DELETE", "switches/deployment/grok-sim-local");
});
