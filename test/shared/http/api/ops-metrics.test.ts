import { afterAll, expect, it } from "vitest";
import { prometheusText } from "../../../../shared/http/api/prometheus.ts";
import { newPool, takeFrom } from "../../../../shared/quota/belief/pool.ts";
import { World } from "../../world.ts";
import { Operated, TENANTS_FILE, tenantsFrom } from "./operated.ts";

const world = await World.open({ startMs: 1_800_000_000_000 });
afterAll(() => world.close());
world.tenants = tenantsFrom(TENANTS_FILE);

it("tells the same whichever instance answers", async () => {
  const one = new Operated(world, "one");
  await world.accepted();
  await world.accepted({ tenantId: "team-b" });
  await one.ops(200, "PUT", "switches/deployment/xai-two", { state: "drained", mode: "park" });
  const budget = { currency: "USD", per_day: "0.5", per_month: "10" };
  await one.ops(200, "PUT", "tenants/spender", { budget });
  await one.instance.sweep();
  const { text, headers } = await one.call("GET", "/api/ops/metrics");
  expect(headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect((await new Operated(world, "two").call("GET", "/api/ops/metrics")).text).toBe(text);
  const lines = text.split("\n");
  for (const line of [
    'switchyard_jobs{status="queued"} 2',
    'switchyard_jobs{status="in_progress"} 0',
    'switchyard_backlog_jobs{tenant="team-b",model="openai-one-model",state="waiting"} 1',
    'switchyard_dead_letters{state="untouched"} 0',
    'switchyard_deployment_calls{deployment="openai-one",provider="openai",model="openai-one-model"} 0',
    'switchyard_deployment_open{deployment="xai-two",provider="xai",model="xai-two-model"} 0',
    'switchyard_switched{kind="deployment",name="xai-two",state="drained"} 1',
    'switchyard_budget_limit{tenant="spender",currency="USD",period="day"} 0.5',
    'switchyard_budget_limit{tenant="spender",currency="USD",period="month"} 10',
    'switchyard_budget_spent{tenant="spender",currency="USD",period="month"} 0',
    'switchyard_budget_reserved{tenant="spender",currency="USD",period="day"} 0',
    "switchyard_sweep_age_seconds 0",
  ])
    expect(lines).toContain(line);
  // Every line is one of the format's.
  const sample = /^[a-z_]+(\{[a-z_]+="[^"\n]*"(,[a-z_]+="[^"\n]*")*\})? \d+(\.\d+)?$/;
  expect(lines.filter((line) => !/^# (HELP|TYPE) /.test(line) && !sample.test(line))).toEqual([""]);
  expect((await one.call("GET", "/api/ops/metrics", { key: "team-a" })).status).toBe(403);
});

it("tells of a quota what is free where that is known, as the deployments' list does", async () => {
  const nowMs = world.clock.now();
  const minute = { requests_per_minute: 600, tokens_per_minute: 60_000 };
  const { requests } = takeFrom(newPool(minute, nowMs), 1, 0);
  const { tokens } = newPool({ ...minute, window_seconds: 60, shape: "bucket" }, nowMs);
  const pool = { requests, tokens, not_before_ms: 0 };
  const record = { pool, breakers: {}, backlog_until_ms: 0 };
  await world.ports.quotaLedger.write([{ pool: "openai-one", record, etag: undefined }]);
  const one = new Operated(world, "three");
  const { data } = await one.ops(200, "GET", "deployments");
  expect(data.find(({ name }: { name: string }) => name === "openai-one").quota).toEqual({
    pool: "openai-one",
    requests: { per_minute: 600, left: null },
    tokens: { per_minute: 60_000, left: expect.any(Number) },
  });
  const { text } = await one.call("GET", "/api/ops/metrics");
  const told = text.split("\n").filter((line) => line.startsWith("switchyard_quota_"));
  expect(told.map((line) => line.replace(/ .*/, ""))).toEqual([
    'switchyard_quota_per_minute{pool="openai-one",kind="requests"}',
    'switchyard_quota_per_minute{pool="openai-one",kind="tokens"}',
    'switchyard_quota_left{pool="openai-one",kind="tokens"}',
  ]);
});

it("escapes what a label may hold", () => {
  const samples = [[{ name: 'a"b\\c\nd' }, 1]] as const;
  expect(prometheusText([{ name: "x", help: "y", samples }])).toBe(
    '# HELP x y\n# TYPE x gauge\nx{name="a\\"b\\\\c\\nd"} 1\n',
  );
});
