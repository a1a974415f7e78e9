import { afterAll, expect, it } from "vitest";
import { newPool } from "../../../../shared/quota/belief/pool.ts";
import type { PoolRecord } from "../../../../shared/quota/pool-record.ts";
import { World } from "../../world.ts";

const world = await World.open();
afterAll(() => world.close());
const { clock, control } = world;
const { quotaLedger: ledger, dispatcherLeases: leases } = world.ports;

const record = (backlog_until_ms: number): PoolRecord => ({
  ...{ pool: newPool({ requests_per_minute: 60 }, clock.now()), breakers: {}, backlog_until_ms },
});
const backlogs = (...pools: string[]) =>
  Promise.all(pools.map(async (pool) => (await ledger.read(pool))?.value.backlog_until_ms));

const write = async (pool: string, record: PoolRecord, etag?: string) => {
  const written = await ledger.write([{ pool, record, etag }]);
  return written.kind === "written" ? written.etags[0] : undefined;
};

it("writes many pools by one operation, new ones and known ones, and none where one has moved on", async () => {
  const [one, two, three] = ["one", "labs/two", "three"] as const;
  const first = await write(one, record(1));
  expect(first).toBeDefined();
  const both = await ledger.write([
    { pool: one, record: record(2), etag: first },
    { pool: two, record: record(2), etag: undefined },
  ]);
  expect(await backlogs(one, two)).toEqual([2, 2]);
  if (both.kind !== "written") throw new Error("nothing was written meanwhile");
  const [etagOne, etagTwo] = both.etags;
  // Both are good for the next write of either.
  expect(await write(two, record(3), etagTwo)).toBeDefined();
  const late = await ledger.write([
    { pool: one, record: record(4), etag: etagOne },
    { pool: two, record: record(4), etag: etagTwo },
    { pool: three, record: record(4), etag: undefined },
  ]);
  expect(late).toEqual({ kind: "superseded", at: 1 });
  expect(await backlogs(one, two, three)).toEqual([2, 3, undefined]);
  // Made by another meanwhile.
  const made = await ledger.write([
    { pool: one, record: record(5), etag: etagOne },
    { pool: two, record: record(5), etag: undefined },
  ]);
  expect(made).toEqual({ kind: "superseded", at: 1 });
  expect(await backlogs(one)).toEqual([2]);
});

it("learns a pool anew that another version has written and this one cannot read", async () => {
  const etag = await write("strange", record(1));
  const item = control.item("pool-strange", "quota");
  const { resource } = await item.read();
  const { etag: strange } = await item.replace({ ...resource, value: { pool: { shape: "spiral" } } });
  expect(strange).not.toBe(etag);
  expect(await ledger.read("strange")).toEqual({
    value: { pool: { requests: null, tokens: null, not_before_ms: 0 }, breakers: {}, backlog_until_ms: 0 },
    etag: strange,
  });
  expect(await write("strange", record(2), strange)).toBeDefined();
});

it("stores beliefs with what the version before reckons with, and reads what that has written", async () => {
  const pool = newPool({ requests_per_minute: 60, tokens_per_minute: 6_000 }, clock.now());
  await write("neighbours", { ...record(1), pool });
  const { resource } = await control.item("pool-neighbours", "quota").read();
  expect(resource.value.pool.requests).toMatchObject({ factor: 1, capacity: 1, pending: 0, window: null });
  expect((await ledger.read("neighbours"))?.value.pool).toEqual(pool);
});

it("tells how old a lease is by the store's own clock, whatever the clocks of hosts say", async () => {
  expect(await leases.read()).toBeUndefined();
  expect((await leases.write({ holder: "one", renewals: 1 }, undefined)).kind).toBe("written");
  const read = async () => (await leases.read())?.age_ms ?? Number.NaN;
  const before = await read();
  expect(before).toBeLessThan(1_000);
  clock.advance(7_000);
  expect((await read()) - before).toBe(7_000);
});
