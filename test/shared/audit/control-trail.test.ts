import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { controlRecordHash, EMPTY_CHAIN, nextControlRecord } from "../../../shared/audit/control-record.ts";
import { type ControlChange, type ControlItem, changeControl } from "../../../shared/audit/control-trail.ts";
import { Problem } from "../../../shared/errors.ts";
import { StoreUnavailable } from "../../../shared/store.ts";
import { World } from "../world.ts";

const world = await World.open();
const { clock, cosmos } = world;
const { trail } = world.ports;
let changes = 0;
afterAll(() => world.close());
beforeEach(() => cosmos.setFaults({ rules: [] }));

/** Adds one to a counter: a change that is wrong if it is decided on what has moved on. */
const count = (id: string, changeId = `change-${++changes}`): ControlChange => ({
  scope: "switches",
  changeId,
  actor: "ops/key:0",
  reads: [id],
  decide: (items) => {
    const stored = items.get(id);
    const value = Number(stored?.value.value ?? 0);
    const item: ControlItem = { id, kind: "counter", value: value + 1 };
    return {
      event: "limits_changed",
      reason: "a test",
      details: { id, from: value, to: value + 1 },
      writes: [
        stored === undefined ? { kind: "create", item } : { kind: "replace", item, etag: stored.etag },
      ],
    };
  },
});
const make = (change: ControlChange) => changeControl({ trail, clock }, change);
const stored = async (id: string) => (await trail.view("switches", "none", [id])).items.get(id)?.value;
async function records() {
  const newestFirst = (await trail.records("switches", { limit: 1000 })).records;
  return newestFirst.toReversed();
}

describe("a change of control", () => {
  it("stores the change, its record and the chain's head together", async () => {
    const first = await make(count("a"));
    const second = await make(count("a"));
    expect(await stored("a")).toMatchObject({ value: 2, scope: "switches" });
    expect(first).toMatchObject({ kind: "changed", repeated: false });
    expect(await records()).toEqual([first, second].map((o) => o.kind === "changed" && o.record));
    let head = EMPTY_CHAIN;
    for (const { hash, ...record } of await records()) {
      expect(record).toMatchObject({ seq: head.seq + 1, prev_hash: head.hash });
      expect(hash).toBe(controlRecordHash(record));
      head = { seq: record.seq, hash };
    }
    expect((await trail.view("switches", "none", [])).head?.value).toEqual(head);
  });

  it("is made once, however often it is asked for", async () => {
    const first = await make(count("once", "same id / with ?#\\ odd characters"));
    const again = await make(count("once", "same id / with ?#\\ odd characters"));
    expect(again).toEqual({ ...first, repeated: true });
    expect(await stored("once")).toMatchObject({ value: 1 });
  });

  it("is decided again on what is there when others changed it meanwhile", async () => {
    const outcomes = await Promise.all([1, 2, 3].map(() => make(count("raced"))));
    expect(outcomes.map((o) => o.kind)).toEqual(["changed", "changed", "changed"]);
    expect(await stored("raced")).toMatchObject({ value: 3 });
    const seqs = (await records()).map((record) => record.seq);
    expect(seqs).toEqual(seqs.map((_, index) => index + 1));
  });

  it("is made once when the same change is asked for at the same time", async () => {
    const outcomes = await Promise.all([1, 2, 3].map(() => make(count("twins", "twin"))));
    expect(outcomes.filter((o) => o.kind === "changed" && !o.repeated)).toHaveLength(1);
    expect(await stored("twins")).toMatchObject({ value: 1 });
  });

  it.each(["before", "after"] as const)(
    "is made once though an answer was lost %s it was applied",
    async (when) => {
      const id = `lost-${when}`;
      cosmos.setFaults({ rules: [{ operation: "batch", count: 1, effect: { kind: "drop", when } }] });
      expect(await make(count(id))).toMatchObject({ kind: "changed", repeated: false });
      expect(await stored(id)).toMatchObject({ value: 1 });
    },
  );

  it("says that the store is away, and leaves nothing, when it cannot be written", async () => {
    const before = (await records()).length;
    cosmos.setFaults({
      rules: [{ operation: "batch", effect: { kind: "refuse", status: 503, retry_after_ms: 1 } }],
    });
    await expect(make(count("away"))).rejects.toThrow(StoreUnavailable);
    cosmos.setFaults({ rules: [] });
    expect(await stored("away")).toBeUndefined();
    expect(await records()).toHaveLength(before);
  });

  it("leaves no record where nothing was to be changed, or the change was refused", async () => {
    const before = (await records()).length;
    const nothing = await make({ ...count("a"), decide: () => undefined });
    expect(nothing).toMatchObject({ kind: "unchanged" });
    const refuse = () => {
      throw new Problem("forbidden", "no");
    };
    await expect(make({ ...count("a"), decide: refuse })).rejects.toThrow(Problem);
    expect(await records()).toHaveLength(before);
  });

  it("writes no item over the trail", async () => {
    const forged = (): ReturnType<ControlChange["decide"]> => ({
      event: "switched_off",
      writes: [{ kind: "upsert", item: { id: "audit-000000001" } }],
    });
    await expect(make({ ...count("a"), decide: forged })).rejects.toThrow("ids of the trail are its own");
  });

  it("keeps a chain for each scope, and pages through it, newest first", async () => {
    for (const id of ["x", "y", "z"]) await make({ ...count(id), scope: "dead_letters" });
    const page = await trail.records("dead_letters", { limit: 2 });
    expect(page.records.map((record) => record.seq)).toEqual([3, 2]);
    expect(page.hasMore).toBe(true);
    const rest = await trail.records("dead_letters", { limit: 2, beforeSeq: 2 });
    expect(rest.records.map((record) => record.details.id)).toEqual(["x"]);
    expect(rest.hasMore).toBe(false);
  });

  it("hashes the canonical form, so that anyone can compute it again", () => {
    const record = nextControlRecord(EMPTY_CHAIN, 1_800_000_000_999, {
      scope: "switches",
      event: "switched_off",
      actor: "ops/key:0",
      change_id: "c1",
      details: { b: 1, a: ["x", null] },
    });
    expect(record).toMatchObject({ seq: 1, at: 1_800_000_000, reason: null });
    expect(record.hash).toMatchInlineSnapshot(
      `"e10d65c68ba8927e934ec6109bd7e791b7fffd31b7569dd1c468c9fae2da9225"`,
    );
  });
});
