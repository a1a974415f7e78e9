import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { aboutOf, asLines, type ControlRecord, isPart, joined } from "../../../console/rows/control-trail.ts";
import { overdueSince, sealDay } from "../../../console/rows/seals.ts";
import { verifyLinks } from "../../../console/rows/trail.ts";
import { EMPTY_CHAIN, nextControlRecord } from "../../../shared/audit/control-record.ts";
import { NO_SEAL, nextSeal } from "../../../shared/audit/seal/seal.ts";

const sha256Hex = async (text: string) => createHash("sha256").update(text).digest("hex");

/** As the service makes them, the first first. */
function chainOf(length: number): ControlRecord[] {
  const records: ControlRecord[] = [];
  for (let at = 0; at < length; at++) {
    const entry = {
      scope: "switches",
      event: "limits_changed",
      actor: "ops/key:1",
      change_id: `c${at}`,
    } as const;
    const details = { deployment: "gpt", share: 0.1, from: null, to: { requests_per_minute: 1e21 } };
    records.push(nextControlRecord(records.at(-1) ?? EMPTY_CHAIN, at * 1000, { ...entry, details }));
  }
  return records;
}
const pageOf = (records: readonly ControlRecord[]) => ({ data: records.toReversed() });

it("a browser finds that the service's chains hold, of records and of seals", async () => {
  expect(await verifyLinks(chainOf(3), sha256Hex)).toEqual({ isIntact: true, records: 3 });
  const content = { sealed_at: 1, leaves: 1, chunks: 1, run: "r", until: null, root: "0" };
  const first = nextSeal(NO_SEAL, { ...content, to_ts: 86_400 });
  const seals = [first, nextSeal(first, { ...content, to_ts: 2 * 86_400 })];
  expect(await verifyLinks(seals, sha256Hex)).toEqual({ isIntact: true, records: 2 });
  expect(await verifyLinks(seals.slice(1), sha256Hex, false)).toMatchObject({ isIntact: true });
});

it("a part of a chain is checked by itself, and its beginning is not taken for the chain's", async () => {
  const part = chainOf(5).slice(2);
  expect(await verifyLinks(part, sha256Hex, false)).toEqual({ isIntact: true, records: 3 });
  expect(await verifyLinks(part, sha256Hex)).toMatchObject({ isIntact: false, seq: 1 });
});

it("a record that was changed, is missing or follows another is found", async () => {
  const chain = chainOf(4);
  const changed = chain.map((record) => (record.seq === 3 ? { ...record, actor: "nobody" } : record));
  expect(await verifyLinks(changed, sha256Hex)).toMatchObject({ isIntact: false, seq: 3 });
  const missing = chain.filter(({ seq }) => seq !== 2);
  expect(await verifyLinks(missing, sha256Hex)).toMatchObject({ isIntact: false, seq: 2 });
  const beforeThird = chain.map((record) => (record.seq === 3 ? { ...record, prev_hash: "f" } : record));
  expect(await verifyLinks(beforeThird, sha256Hex, false)).toMatchObject({ isIntact: false, seq: 3 });
});

it("pages are joined while they meet, and a gap is never hidden", () => {
  const chain = chainOf(9);
  expect(joined([], pageOf(chain.slice(4)))).toEqual(chain.slice(4));
  expect(joined(chain.slice(0, 6), pageOf(chain.slice(4)))).toEqual(chain);
  expect(joined(chain.slice(0, 4), pageOf(chain.slice(4)))).toEqual(chain);
  expect(joined(chain.slice(0, 3), pageOf(chain.slice(4)))).toEqual(chain.slice(4));
  expect(joined(chain, { data: [] })).toEqual(chain);
  expect([isPart(chain), isPart(chain.slice(1)), isPart([])]).toEqual([false, true, false]);
});

it("a change is told by its names and figures, not by what was and what became", () => {
  const details = { tenant_id: "team-c", key_id: "key_1", from: "a", to: { weight: 3 }, list: ["x"] };
  expect(aboutOf({ details })).toBe("tenant id team-c, key id key_1");
});

it("a trail in a file is its records, one a line, each with its whole hash", async () => {
  const lines = asLines(chainOf(2)).trim().split("\n");
  expect(
    await verifyLinks(
      lines.map((line) => JSON.parse(line)),
      sha256Hex,
    ),
  ).toMatchObject({ records: 2 });
});

it("a seal is about the day before it ends, and the next is late some hours after the next day", () => {
  const to_ts = Date.parse("2026-11-25T00:00:00Z") / 1000;
  expect(sealDay({ to_ts })).toBe("2026-11-24");
  expect(overdueSince({ to_ts }, to_ts + 86_400)).toBeUndefined();
  expect(overdueSince({ to_ts }, to_ts + 86_400 + 3 * 3_600)).toBe(to_ts + 86_400 + 2 * 3_600);
  expect(overdueSince(undefined, to_ts)).toBeUndefined();
});
