import { afterAll, expect, it } from "vitest";
import { newPool } from "../../../../shared/quota/belief/pool.ts";
import type { PoolRecord } from "../../../../shared/quota/ports.ts";
import { World } from "../../world.ts";

const world = await World.open();
afterAll(() => world.close());
const { clock } = world;
const { quotaLedger: ledger } = world.ports;

const record = (backlog_until_ms: number): PoolRecord => ({
  ...{ pool: newPool({ requests_per_minute: 60 }, clock.now()), breakers: {}, backlog_until_ms },
});
const backlogs = (...pools: string[]) =>
  Promise.all(pools.map(async (pool) => (await ledger.read(pool))?.value.backlog_until_ms));

it("writes many pools by one operation, new ones and known ones, and none where one has moved on", async () => {
  const [one, two, three] = ["one", "labs/two", "three"] as const;
  const first = await ledger.write(one, record(1), undefined);
  if (first.kind !== "written") throw new Error("nothing was there before");
  const both = await ledger.writeAll([
    { pool: one, record: record(2), etag: first.etag },
    { pool: two, record: record(2), etag: undefined },
  ]);
  expect(await backlogs(one, two)).toEqual([2, 2]);
  if (both.kind !== "written") throw new Error("nothing was written meanwhile");
  const [etagOne, etagTwo] = both.etags;
  // Both are good for the next write of either.
  expect((await ledger.write(two, record(3), etagTwo)).kind).toBe("written");
  const late = await ledger.writeAll([
    { pool: one, record: record(4), etag: etagOne },
    { pool: two, record: record(4), etag: etagTwo },
    { pool: three, record: record(4), etag: undefined },
  ]);
  expect(late).toEqual({ kind: "superseded", at: 1 });
  expect(await backlogs(one, two, three)).toEqual([2, 3, undefined]);
  // Made by another meanwhile.
  const made = await ledger.writeAll([
    { pool: one, record: record(5), etag: etagOne },
    { pool: two, record: record(5), etag: undefined },
  ]);
  expect(made).toEqual({ kind: "superseded", at: 1 });
  expect(await backlogs(one)).toEqual([2]);
});
