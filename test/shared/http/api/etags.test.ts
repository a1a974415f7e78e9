import { afterAll, expect, it } from "vitest";
import { World } from "../../world.ts";
import { Operated, TENANTS_FILE, tenantsFrom } from "./operated.ts";

const world = await World.open({ startMs: 1_800_000_000_000 });
afterAll(() => world.close());
world.tenants = tenantsFrom(TENANTS_FILE);
const door = new Operated(world, "one");

interface Read {
  readonly path: string;
  readonly key: string;
  /** Makes the answer another one. */
  readonly change: () => Promise<unknown>;
}

const letter = (n: number) =>
  world.accepted().then(({ tenant_id, job_id }) =>
    world.ports.deadLetters.keep({
      ...{ id: `dl_${String(n).padStart(32, "0")}`, at_ms: world.clock.now(), reason: "Tried" },
      ...{ description: "d", message_id: `m${n}`, nudge: { v: 1, tenant_id, job_id } },
    }),
  );
const operator = "operator";
const reads: readonly Read[] = [
  { path: "/api/jobs?limit=5", key: "team-a", change: () => world.accepted() },
  { path: "/api/models", key: "team-a", change: () => switchOff("openai") },
  { path: "/api/ops/jobs", key: operator, change: () => world.accepted() },
  { path: "/api/ops/status", key: operator, change: () => world.accepted() },
  { path: "/api/ops/switches", key: operator, change: () => switchOff("xai") },
  {
    path: "/api/ops/tenants",
    key: operator,
    change: () => door.ops(200, "PUT", "tenants/new", { weight: 2 }),
  },
  { path: "/api/ops/dead-letters", key: operator, change: () => letter(1) },
];

function switchOff(provider: string) {
  return door.ops(200, "PUT", `switches/provider/${provider}`, { state: "off" });
}

it.each(reads)("$path: 304 to who has its answer, until it is another one", async ({ path, key, change }) => {
  const ask = (etag?: string | null) =>
    door.call("GET", path, { key, headers: etag ? { "if-none-match": etag } : {} });
  const first = await ask();
  const etag = first.headers.get("etag");
  expect(etag).toMatch(/^"[0-9a-f]{32}"$/);
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`]) {
    const same = await ask(known);
    expect([same.status, same.text, same.headers.get("etag")]).toEqual([304, "", etag]);
    expect(same.headers.get("content-type")).toBeNull();
  }
  world.clock.advance(5_000);
  await change();
  world.clock.advance(5_000);
  const other = await ask(etag);
  expect(other.status).toBe(200);
  expect(other.headers.get("etag")).not.toBe(etag);
});

it("is a job's version for the job, and a refusal has none", async () => {
  const { tenant_id: key, job_id } = await world.accepted();
  const job = await door.call("GET", `/api/jobs/${job_id}`, { key });
  expect(job.headers.get("etag")).toBe(`${(await world.stored({ tenant_id: key, job_id })).etag}`);
  const absent = await door.call("GET", "/api/jobs/job_0", { key });
  expect([absent.status, absent.headers.get("etag")]).toEqual([404, null]);
});
