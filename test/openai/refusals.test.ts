import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { newAccount, reserve } from "../../shared/budget/account.ts";
import { parseTenants } from "../../shared/tenant/tenants.ts";
import { World } from "../shared/world.ts";
import { DoorHere } from "./in-process.ts";

/** Each way in which the native door refuses a submit, and what the OpenAI door says to the same fault. */
let world: World;
let door: DoorHere;
beforeAll(async () => {
  world = await World.open();
  const budget = { currency: "USD", per_day: "1", over: "refuse" };
  const parsed = parseTenants(
    {
      tenants: [
        { id: "team-a" },
        { id: "picky", allow_models: ["other"] },
        { id: "poor", budget },
        { id: "eager", limits: { submits_per_second: 0.001, burst: 1 } },
      ],
    },
    { local: true },
  );
  if ("faults" in parsed) throw new Error(parsed.faults.join("; "));
  world.tenants = parsed.tenants;
  door = new DoorHere(world);
  await door.start();
  await spend("poor");
});
afterAll(async () => {
  await door.stop();
  await world.close();
});

/** All of a tenant's day is spoken for. */
async function spend(tenant_id: string): Promise<void> {
  const month = new Date(world.clock.now()).toISOString().slice(0, 7);
  const ask = { job_id: "j", attempt: 1, claim_id: "c", amount: "1" };
  const plenty = { currency: "USD", per_day: "100", over: "refuse" } as const;
  const reserved = reserve(newAccount(month, "USD"), plenty, ask, world.clock.now());
  if (reserved.kind !== "reserved") throw new Error(reserved.kind);
  await world.ports.budgetLedger.write({ tenant_id, month, currency: "USD" }, reserved.account, undefined);
}

const good = { model: "openai-one-model", messages: [{ role: "user", content: "Hello" }] };
const text = (body: object) => JSON.stringify(body);
const pad = "x".repeat(1_100_000);

interface Fault {
  /** The native door's code. */
  readonly native: string;
  /** Of the OpenAI door. */
  readonly said: readonly [status: number, code: string, param: string | null];
  /** The request of the lab, as JSON. */
  readonly body?: string;
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** What says the same in the native door's body. */
  readonly envelope?: object;
  readonly path?: string;
}
const reused = { "Idempotency-Key": "used" };

const FAULTS: Readonly<Record<string, Fault>> = {
  "no JSON": { native: "invalid_json", said: [400, "invalid_json", null], body: '{"model":' },
  "a name twice": {
    ...{ native: "invalid_request", said: [400, "invalid_request", "model"] },
    body: '{"model":"a","model":"b"}',
  },
  "no object": { native: "invalid_request", said: [400, "invalid_request", "body"], body: "[]" },
  "no model": {
    native: "invalid_request",
    said: [400, "invalid_request", "model"],
    body: text({ messages: [] }),
  },
  "a model that is no text": {
    native: "invalid_request",
    said: [400, "invalid_request", "model"],
    body: '{"model":7}',
  },
  "too deep": {
    ...{ native: "nesting_too_deep", said: [400, "nesting_too_deep", null] },
    body: `{"model":"m","messages":${"[".repeat(70)}${"]".repeat(70)}}`,
  },
  "too many values": {
    ...{ native: "too_many_values", said: [400, "too_many_values", null] },
    body: text({ ...good, n: Array.from({ length: 60_000 }, () => 1) }),
  },
  "another content type": {
    ...{ native: "unsupported_media_type", said: [415, "unsupported_media_type", null] },
    headers: { "content-type": "text/plain" },
  },
  "too large": {
    native: "request_too_large",
    said: [413, "request_too_large", null],
    body: text({ ...good, pad: pad.repeat(9) }),
  },
  "a key that is none": {
    ...{ native: "invalid_request", said: [400, "invalid_request", "Idempotency-Key"] },
    headers: { "Idempotency-Key": " " },
  },
  "a deadline that is over": {
    ...{ native: "invalid_request", said: [400, "invalid_request", "x-switchyard-deadline-seconds"] },
    ...{ headers: { "x-switchyard-deadline-seconds": "0" }, envelope: { deadline: 1 } },
  },
  "a start after the deadline": {
    ...{ native: "invalid_request", said: [400, "invalid_request", "x-switchyard-not-before"] },
    ...{ headers: { "x-switchyard-not-before": "9999999999" }, envelope: { not_before: 9_999_999_999 } },
  },
  "an unknown priority": {
    ...{ native: "invalid_request", said: [400, "invalid_request", "x-switchyard-priority"] },
    ...{ headers: { "x-switchyard-priority": "first" }, envelope: { priority: "first" } },
  },
  "an endpoint that the model does not serve": {
    ...{ native: "endpoint_not_supported", said: [400, "endpoint_not_supported", "model"] },
    ...{
      body: text({ model: good.model, input: "a" }),
      path: "embeddings",
      envelope: { endpoint: "/v1/embeddings" },
    },
  },
  "what no deployment can do": {
    ...{ native: "capability_not_supported", said: [400, "capability_not_supported", "model"] },
    body: text({ ...good, tools: [{ type: "function", function: { name: "f" } }] }),
  },
  "no credential": { native: "missing_credential", said: [401, "invalid_api_key", null], key: null },
  "nobody's credential": {
    native: "invalid_credential",
    said: [401, "invalid_api_key", null],
    key: "nobody",
  },
  "an operator's credential": { native: "forbidden", said: [403, "forbidden", null], key: "operator" },
  "a model of others": { native: "model_not_allowed", said: [404, "model_not_found", "model"], key: "picky" },
  "an unknown model": {
    native: "model_not_found",
    said: [404, "model_not_found", "model"],
    body: text({ ...good, model: "none" }),
  },
  "no money": { native: "budget_exceeded", said: [429, "insufficient_quota", null], key: "poor" },
  "a key that was used": {
    ...{ native: "idempotency_key_reused", said: [422, "idempotency_key_reused", null] },
    ...{ headers: reused, body: text({ ...good, temperature: 1 }) },
  },
  "too many": { native: "too_many_requests", said: [429, "rate_limit_exceeded", null], key: "eager" },
};

async function post(
  path: string,
  body: string,
  {
    key = "team-a",
    headers = {},
  }: { readonly key?: Fault["key"] | undefined; readonly headers?: Fault["headers"] },
) {
  const answer = await fetch(`${door.url}${path}`, {
    ...{ method: "POST", body },
    headers: {
      "content-type": "application/json",
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...headers,
    },
  });
  const json = (await answer.json()) as {
    code: string;
    error: { code: string; param: string | null; type: string; message: string };
  };
  return { status: answer.status, json, headers: answer.headers };
}

it("has the codes of a submit, but those that cannot be met here", () => {
  const page = readFileSync("docs/api.md", "utf8");
  const [, section = ""] = /### POST \/api\/jobs\n(.*?)\n### /s.exec(page) ?? [];
  const rows = [...section.matchAll(/^\| 4\d\d \| (.*) \|$/gm)].map(([, codes = ""]) => codes).join();
  const codes = [...rows.matchAll(/`(\w+)`:/g)].map(([, code]) => code).sort();
  // A stream is no fault here, and a most that it may cost cannot be said.
  const others = ["max_cost_too_low", "stream_not_supported"];
  expect([...new Set(Object.values(FAULTS).map(({ native }) => native)), ...others].sort()).toEqual(codes);
});

it.each(Object.entries(FAULTS))("%s", async (_, fault) => {
  const { body = text(good), envelope = {}, path = "chat/completions", key, headers = {} } = fault;
  if (headers === reused) for (const at of ["native", "openai"]) await first(at, headers);
  if (key === "eager") await post("/openai/v1/chat/completions", "{}", { key });
  // As the native door has it, the lab's request is a part of the body.
  const members = Object.entries(envelope).map(
    ([name, value]) => `,${JSON.stringify(name)}:${text(value as object)}`,
  );
  const native = await post("/api/jobs", `{"body":${body}${members.join("")}}`, { key, headers });
  expect([native.json.code, native.status >= 400 && native.status < 500]).toEqual([fault.native, true]);
  const {
    status,
    json,
    headers: answered,
  } = await post(`/openai/v1/${path}`, body, { key, headers: openai(headers) });
  expect([status, json.error.code, json.error.param]).toEqual(fault.said);
  expect(json.error.message).not.toBe("");
  expect(answered.get("x-request-id")).toMatch(/\S/);
  const retry = [answered.get("x-should-retry"), answered.get("retry-after")];
  if (fault.native === "budget_exceeded") {
    expect(json.error.type).toBe("insufficient_quota");
    expect(retry[0]).toBe("false");
  }
  if (status === 429) expect(Number(retry[1])).toSatisfy((seconds: number) => seconds >= 1 && seconds <= 60);
});

/** The key, used for what is good. Jobs of both doors share a tenant's keys. */
const openai = (headers: Readonly<Record<string, string>>) =>
  headers === reused ? { "Idempotency-Key": "used-openai" } : headers;
async function first(at: string, headers: Readonly<Record<string, string>>): Promise<void> {
  if (at === "native") await post("/api/jobs", `{"body":${text(good)}}`, { headers });
  else
    void post("/openai/v1/chat/completions", text(good), { headers: openai(headers) }).catch(() => undefined);
  await world.settled();
}
