import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { verifyChain, verifyTrail } from "../../../shared/audit/chain.ts";
import {
  AUDIT_EVENTS,
  type AuditEntry,
  type AuditRecord,
  GENESIS_HASH,
  nextRecord,
} from "../../../shared/audit/record.ts";

function chainOf(entries: readonly AuditEntry[], jobId = "job_1"): AuditRecord[] {
  const records: AuditRecord[] = [];
  for (const entry of entries) {
    const last = records.at(-1) ?? { seq: 0, hash: GENESIS_HASH };
    records.push(nextRecord(last, jobId, 1_800_000_000_000 + records.length * 1000, entry));
  }
  return records;
}

const entry = fc.record({
  event: fc.constantFrom(...AUDIT_EVENTS),
  actor: fc.string({ unit: "grapheme", maxLength: 20 }),
  attempt: fc.option(fc.nat()),
  deployment: fc.option(fc.string()),
  reason: fc.option(fc.string({ unit: "grapheme" })),
  latency_ms: fc.option(fc.nat()),
  usage: fc.option(fc.record({ input_tokens: fc.nat(), output_tokens: fc.nat(), total_tokens: fc.nat() })),
});
const entries = fc.array(entry, { minLength: 2, maxLength: 12 });

describe("audit chain", () => {
  it("hashes the canonical form, so that anyone can compute it again", () => {
    const [record] = chainOf([{ event: "accepted", actor: "team-a/key:00000000", request_sha256: "ab" }]);
    expect(record).toMatchObject({ job_id: "job_1", seq: 1, at: 1_800_000_000, prev_hash: GENESIS_HASH });
    expect(record?.hash).toMatchInlineSnapshot(
      `"4331b30a166b5e81c176552955f77ca5cfb9eb21f28aadfe745e7515567b0a42"`,
    );
  });

  it("holds as written", () => {
    fc.assert(
      fc.property(entries, (written) => {
        const records = chainOf(written);
        const last = records.at(-1);
        expect(verifyChain(records, last)).toEqual({ intact: true, records: written.length });
      }),
    );
  });

  it("finds an edited, deleted, inserted or moved record, and names it", () => {
    fc.assert(
      fc.property(
        entries,
        fc.nat(),
        fc.constantFrom("edit", "delete", "insert", "move"),
        (written, at, how) => {
          const records = chainOf(written);
          const head = records.at(-1);
          const index = at % records.length;
          const victim = records[index];
          if (victim === undefined || head === undefined) return;
          if (how === "edit") records[index] = { ...victim, actor: `${victim.actor}!` };
          if (how === "delete") records.splice(index, 1);
          if (how === "insert") records.splice(index, 0, victim);
          if (how === "move") records.push(...records.splice(index === records.length - 1 ? 0 : index, 1));
          const verdict = verifyChain(records, head);
          expect(verdict.intact).toBe(false);
        },
      ),
    );
  });

  it("finds a record of another job, and a tail cut off", () => {
    const mine = chainOf([
      { event: "accepted", actor: "a" },
      { event: "cancelled", actor: "a" },
    ]);
    const [first, last] = mine;
    const foreign = chainOf([{ event: "accepted", actor: "a" }], "job_2")[0];
    if (first === undefined || last === undefined || foreign === undefined) throw new Error("no records");
    expect(verifyChain([first], last)).toMatchObject({ intact: false, seq: 2 });
    const spliced = nextRecord(foreign, "job_1", 1_800_000_001_000, { event: "cancelled", actor: "a" });
    expect(verifyChain([foreign, spliced])).toMatchObject({
      intact: false,
      seq: 2,
      why: "it is another job's record",
    });
  });
});

describe("a job's trail", () => {
  const job = (records: readonly AuditRecord[], status: "queued" | "completed" | "cancelled") => {
    const last = records.at(-1);
    const head = { audit_seq: last?.seq ?? 0, audit_hash: last?.hash ?? GENESIS_HASH };
    return { tenant_id: "t", job_id: "job_1", status, ...head, until: null };
  };
  const trail = (...events: AuditEntry["event"][]) => chainOf(events.map((event) => ({ event, actor: "a" })));

  it("holds while the job goes on, and once it has ended", () => {
    const live = trail("accepted", "attempt_started");
    expect(verifyTrail(job(live, "queued"), live, null)).toEqual({ intact: true, records: 2 });
    const ended = trail("accepted", "attempt_started", "completed", "attempt_superseded", "content_deleted");
    expect(verifyTrail(job(ended, "completed"), ended, null)).toEqual({ intact: true, records: 5 });
  });

  it.each([
    ["a second terminal event", trail("accepted", "completed", "cancelled"), "completed", 3],
    ["no terminal event", trail("accepted", "attempt_started"), "completed", 2],
    ["another end than the job's", trail("accepted", "cancelled"), "completed", 2],
    ["an end of a job that goes on", trail("accepted", "cancelled"), "queued", 2],
    ["another beginning", trail("attempt_started"), "queued", 1],
  ] as const)("does not hold with %s", (_, records, status, seq) => {
    expect(verifyTrail(job(records, status), records, null)).toMatchObject({ intact: false, seq });
  });

  it("does not hold as another job's, however well it is linked", () => {
    const records = chainOf([{ event: "accepted", actor: "a" }], "job_2");
    expect(verifyTrail(job(records, "queued"), records, null)).toMatchObject({ intact: false, seq: 1 });
  });
});
