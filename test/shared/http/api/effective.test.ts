import { afterAll, expect, it } from "vitest";
import { FRESH_MS } from "../../../../shared/fresh-copy.ts";
import { World } from "../../world.ts";
import { Operated, TENANTS_FILE, tenantsFrom } from "./operated.ts";

const world = await World.open({ startMs: 1_800_000_000_000 });
afterAll(() => world.close());
world.tenants = tenantsFrom(TENANTS_FILE);
const one = new Operated(world, "one");
const other = new Operated(world, "other");

/** The promise: what operators change is effective on all instances within this. */
const PROMISED_MS = 5_000;
const asks = async (key: string) => (await other.call("GET", "/api/models", { key })).status;
/** What another instance knows is as old as it may be: it has looked just before the change. */
const change = async (path: string, method: string, body?: object) => {
  world.clock.advance(FRESH_MS + 1);
  await other.call("GET", "/api/models", { key: "team-a" });
  const answer = await one.call(method, `/api/ops/${path}`, body === undefined ? {} : { body });
  expect(answer.status).toBeLessThan(300);
  return answer.json;
};

it("a tenant and a key are known everywhere within 5 s, and a revoked key nowhere any more", async () => {
  await change("tenants/new", "PUT", { weight: 2 });
  const { key, id } = await change("tenants/new/keys", "POST", { name: "laptop" });
  world.clock.advance(PROMISED_MS);
  expect(await asks(key)).toBe(200);
  await change(`tenants/new/keys/${id}`, "DELETE");
  // Until its copy is too old to be used the other instance cannot know.
  world.clock.advance(FRESH_MS - 1);
  expect(await asks(key)).toBe(200);
  world.clock.advance(PROMISED_MS - FRESH_MS);
  expect(await asks(key)).toBe(401);
});

it("a deployment and a switch are in force everywhere within 5 s", async () => {
  const { data } = await one.ops(200, "GET", "routes");
  const models = async () =>
    ((await other.call("GET", "/api/models", { key: "team-a" })).json.data as { id: string }[]).map(
      ({ id }) => id,
    );
  const target = (await one.ops(200, "GET", "deployments")).data[0].name;
  expect(data.map(({ model }: { model: string }) => model)).not.toContain("anew");
  await change("routes/anew", "PUT", { strategy: "ordered", targets: [{ deployment: target, weight: 1 }] });
  world.clock.advance(PROMISED_MS);
  expect(await models()).toContain("anew");

  const key = await world.accepted();
  await change("switches/provider/openai", "PUT", { state: "off" });
  world.clock.advance(PROMISED_MS);
  await other.instance.run(key);
  const { job, trail } = await world.seen(key);
  expect([job.status, trail.at(-1)?.event, trail.at(-1)?.reason]).toEqual([
    ...["queued", "waiting", expect.stringContaining("switched_off")],
  ]);
});
