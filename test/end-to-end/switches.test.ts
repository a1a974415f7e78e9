import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { chat, Stack } from "./stack.ts";

/** Two host processes: what one is told, the other must learn. */
const stack = new Stack({}, ["--instances", "2"]);
beforeAll(() => stack.start());
afterAll(() => stack.remove());

const OPERATOR = "local-operator";
const ops = (method: string, route: string, body?: object) =>
  stack.call(`/api/ops/${route}`, { method, key: OPERATOR, ...(body === undefined ? {} : { body }) });

const made = new Set<string>();
async function put(route: string, body: object) {
  const answer = await ops("PUT", route, body);
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  made.add(route);
  return answer.json;
}
async function takeBack(route: string): Promise<void> {
  expect((await ops("DELETE", route)).status).toBe(200);
  made.delete(route);
}
afterEach(async () => {
  for (const route of made) await takeBack(route);
  await known();
});

/** Until every host has been seen to know what is set: its own list of models tells what is available. */
async function known(unavailable: readonly string[] = []): Promise<void> {
  const SIGHTINGS = 12; // of two hosts that take turns: enough that neither was missed
  for (let seen = 0; seen < SIGHTINGS; ) {
    const { json } = await stack.call("/api/models");
    const off = json.data.flatMap((model: { served_by: { deployment: string; available: boolean }[] }) =>
      model.served_by.filter((each) => !each.available).map((each) => each.deployment),
    );
    const same = JSON.stringify([...new Set(off)].sort()) === JSON.stringify([...unavailable].sort());
    seen = same ? seen + 1 : 0;
    if (!same) await pause(50);
  }
}

const trail = async (id: string) => (await stack.call(`/api/jobs/${id}/audit`)).json.data;
async function waiting(id: string): Promise<string> {
  for (;;) {
    const record = (await trail(id)).findLast((each: { event: string }) => each.event === "waiting");
    if (record !== undefined) return record.reason;
    await pause(20);
  }
}
const submitted = async (model: string, prompt = "Hello") =>
  (await stack.submit(chat(prompt, model))).json.id as string;

/** A host that has not heard yet that the lab is on again sends a job elsewhere: then the next one is tried. */
async function runningAtOpenai(): Promise<string> {
  for (;;) {
    const id = await submitted("any-lab", "[[sim:hang,profile=openai]] Hello");
    for (;;) {
      const { status, provider } = (await stack.call(`/api/jobs/${id}`)).json;
      if (status === "in_progress" && provider === "openai") return id;
      if (status === "completed") break;
      await pause(20);
    }
  }
}

describe("switches", () => {
  it("are for operators alone", async () => {
    for (const [method, route] of [
      ["GET", "switches"],
      ["PUT", "switches/provider/openai"],
      ["DELETE", "switches/provider/openai"],
      ["PUT", "limits/gpt-sim-local"],
      ["PUT", "weights/routes/any-lab"],
      ["PUT", "weights/tenants/team-a"],
    ] as const) {
      const call = { method, ...(method === "PUT" ? { body: { state: "off" } } : {}) };
      expect((await stack.call(`/api/ops/${route}`, call)).json.code).toBe("forbidden");
      expect((await stack.call(`/api/ops/${route}`, { ...call, key: null })).status).toBe(401);
    }
  });

  it("refuse what they cannot mean", async () => {
    const refused = async (route: string, body: object) => {
      const { status, json } = await ops("PUT", route, body);
      return [status, json.code];
    };
    expect(await refused("switches/provider/nobody", { state: "off" })).toEqual([404, "setting_not_found"]);
    expect(await refused("switches/planet/mars", { state: "off" })).toEqual([404, "setting_not_found"]);
    expect(await refused("switches/provider/xai", { state: "gone" })).toEqual([400, "invalid_request"]);
    expect(await refused("switches/route/any-lab", { state: "off", mode: "fail_over" })).toEqual([
      400,
      "invalid_request",
    ]);
    expect(await refused("limits/gpt-sim-local", { tokens_per_minute: -1 })).toEqual([
      400,
      "invalid_request",
    ]);
    // More than one instance runs at all.
    expect(await refused("limits/gpt-sim-local", { concurrency: 513 })).toEqual([400, "invalid_request"]);
    expect(await refused("weights/routes/any-lab", { weights: { nobody: 1 } })).toEqual([
      400,
      "invalid_request",
    ]);
    expect(await refused("weights/tenants/nobody", { weight: 2 })).toEqual([404, "setting_not_found"]);
    expect((await ops("GET", "switches")).json).toMatchObject({ switches: [], limits: [] });
  });

  it("park: the job waits without an attempt, and goes on once it is on again", {
    tags: ["long"],
  }, async () => {
    await put("switches/deployment/gpt-sim-local", { state: "drained", mode: "park", reason: "maintenance" });
    await known(["gpt-sim-local"]);
    const ids = await Promise.all([submitted("gpt-sim"), submitted("any-lab"), submitted("grok-sim")]);
    expect(await waiting(ids[0] ?? "")).toBe(
      "switched_off; passed over: gpt-sim-local (switched off by deployment gpt-sim-local)",
    );
    expect(await waiting(ids[1] ?? "")).toContain("switched_off");
    expect((await stack.ended(ids[2] ?? "")).json.status).toBe("completed");
    expect((await stack.call(`/api/jobs/${ids[0]}`)).json).toMatchObject({ status: "queued", attempts: 0 });
    await takeBack("switches/deployment/gpt-sim-local");
    for (const id of ids) {
      expect((await stack.ended(id)).json).toMatchObject({ status: "completed", attempts: 1 });
    }
  });

  it("fail over: the next target answers, and the trail says why", async () => {
    await put("switches/provider/openai", { state: "off" });
    await known(["embed-sim-local", "gpt-sim-local"]);
    const id = await submitted("any-lab");
    expect((await stack.ended(id)).json).toMatchObject({ status: "completed", provider: "xai", attempts: 1 });
    const [, started] = await trail(id);
    expect(started.reason).toBe("target 2; passed over: gpt-sim-local (switched off by provider openai)");
  });

  it("off: a running call is aborted without an attempt spent, and the job goes elsewhere", async () => {
    const id = await runningAtOpenai();
    await put("switches/deployment/gpt-sim-local", { state: "off", mode: "fail_over" });
    expect((await stack.ended(id)).json).toMatchObject({ status: "completed", provider: "xai", attempts: 2 });
    const events = (await trail(id)).map((each: { event: string; reason: string }) => [
      each.event,
      each.reason,
    ]);
    expect(events[2]).toEqual(["attempt_failed", "switched_off"]);
  });

  it("hold a route, and leave its deployments to those who name them", { tags: ["long"] }, async () => {
    await put("switches/route/any-lab", { state: "off" });
    await known(["deepseek-sim-local", "gpt-sim-local", "grok-sim-local"]);
    const id = await submitted("any-lab");
    expect(await waiting(id)).toContain("switched off by route any-lab");
    expect((await stack.ended(await submitted("gpt-sim"))).json.status).toBe("completed");
    await takeBack("switches/route/any-lab");
    expect((await stack.ended(id)).json.status).toBe("completed");
  });

  it("change limits and weights, say so, and are made once for one key", async () => {
    const key = { "idempotency-key": "change-1" };
    const weights = { method: "PUT", key: OPERATOR, body: { weights: { "xai-none": 1 } } };
    expect((await stack.call("/api/ops/weights/routes/any-lab", weights)).status).toBe(400);
    const change = { method: "PUT", key: OPERATOR, headers: key, body: { tokens_per_minute: 1000 } };
    const first = await stack.call("/api/ops/limits/gpt-sim-local", change);
    made.add("limits/gpt-sim-local");
    expect(first.json).toMatchObject({
      changed: true,
      limits: [
        { deployment: "gpt-sim-local", limits: { tokens_per_minute: 1000 }, actor: expect.any(String) },
      ],
    });
    const again = await stack.call("/api/ops/limits/gpt-sim-local", change);
    expect(again.json).toMatchObject({ changed: false, revision: first.json.revision });
    expect((await put("weights/tenants/team-b", { weight: 5 })).tenant_weights).toMatchObject([
      { tenant: "team-b", weight: 5 },
    ]);
    expect(
      (await put("weights/routes/any-lab", { weights: { "grok-sim-local": 3 } })).route_weights,
    ).toMatchObject([{ route: "any-lab", weights: { "grok-sim-local": 3 } }]);
  });
});
