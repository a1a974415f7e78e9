import { describe, expect, it } from "vitest";
import type { SeenLease } from "../../../../shared/job/ports.ts";
import { judge, lateAfterMs, type WatchedLease } from "../../../../shared/job/sweep/lease-watch.ts";

const LENGTH_MS = 20_000;
const seen = (change: Partial<SeenLease> = {}): SeenLease => ({
  ...{ tenant_id: "team-a", job_id: "job_1", claim_id: "c1", renewals: 3, lease_seconds: LENGTH_MS / 1000 },
  ...{ written_ms: 1_000_000, read_ms: 1_015_000 },
  ...change,
});
const watched = (change: Partial<WatchedLease> = {}): WatchedLease => ({
  ...{ tenant_id: "team-a", job_id: "job_1", claim_id: "c1", renewals: 3, since_ms: 1_015_000 },
  ...change,
});

describe("a lease", () => {
  it("is not watched while its renewals come in time", () => {
    const inTime = seen({ read_ms: 1_000_000 + lateAfterMs(20) - 1 });
    expect(judge([], [inTime])).toEqual({ dead: [], watch: [], changed: false });
    expect(judge([watched()], [inTime])).toEqual({ dead: [], watch: [], changed: true });
  });

  it("is watched from when it is late, and dead when it was seen so for its whole length", () => {
    expect(judge([], [seen()])).toEqual({ dead: [], watch: [watched()], changed: true });
    const almost = seen({ read_ms: 1_015_000 + LENGTH_MS - 1 });
    expect(judge([watched()], [almost])).toEqual({ dead: [], watch: [watched()], changed: false });
    const over = seen({ read_ms: 1_015_000 + LENGTH_MS });
    const again = watched({ since_ms: over.read_ms });
    expect(judge([watched()], [over])).toEqual({ dead: [over], watch: [again], changed: true });
    expect(judge([again], [seen({ read_ms: over.read_ms + 1_000 })]).dead).toEqual([]);
  });

  it("is not dead for being old: while the store was away nobody could renew", () => {
    expect(judge([], [seen({ read_ms: 9_000_000 })]).dead).toEqual([]);
  });

  it.each([{ renewals: 4 }, { claim_id: "c2", renewals: 0 }])("is alive when %o was seen since", (change) => {
    const now = seen({ ...change, written_ms: 1_016_000, read_ms: 1_060_000 });
    const { dead, watch } = judge([watched()], [now]);
    expect(dead).toEqual([]);
    expect(watch).toEqual([watched({ ...change, since_ms: 1_060_000 })]);
  });
});
