import { afterAll, expect, it } from "vitest";
import { type Seal, sealHash } from "../../../../shared/audit/seal/seal.ts";
import { silent, World } from "../../world.ts";
import { Operated, TENANTS_FILE, tenantsFrom } from "./operated.ts";

const DAY_MS = 86_400_000;
const world = await World.open({ startMs: 20_000 * DAY_MS });
afterAll(() => world.close());
world.tenants = tenantsFrom(TENANTS_FILE);
const door = new Operated(world, "one");

it("seals are listed newest first, in pages, as they were made", async () => {
  expect(await door.ops(200, "GET", "seals")).toEqual({ object: "list", data: [], has_more: false });
  for (let day = 0; day < 3; day++) {
    world.clock.advance(DAY_MS);
    await door.instance.service.seal(silent);
  }
  const { data, has_more } = await door.ops(200, "GET", "seals");
  expect([data.map(({ n }: Seal) => n), has_more]).toEqual([[3, 2, 1], false]);
  for (const { hash, ...fields } of data as Seal[]) expect(sealHash(fields)).toBe(hash);
  expect(data[0].prev_hash).toBe(data[1].hash);
  const page = await door.ops(200, "GET", "seals?limit=1&before=3");
  expect([page.data, page.has_more]).toEqual([[data[1]], true]);
  expect((await door.ops(200, "GET", "seals?before=1")).data).toEqual([]);
  expect((await door.ops(400, "GET", "seals?before=0")).faults[0].path).toBe("before");
  expect((await door.call("GET", "/api/ops/seals", { key: "team-a" })).status).toBe(403);
});
