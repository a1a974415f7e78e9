import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ttlSeconds, untilOf } from "../../../../shared/azure/cosmos/retention.ts";
import { NOW_MS } from "../../job/samples.ts";

const DAY_MS = 86_400_000;

describe("retention", () => {
  it("keeps a trail for ever where the setting is 0", () => {
    const job = { deadline_ms: NOW_MS };
    expect(untilOf(job, { contentDays: 30, auditDays: 0 }).audit_until_ms).toBeNull();
    expect(ttlSeconds("audit", job, NOW_MS, { contentDays: 30, auditDays: 0 })).toBe(-1);
    expect(ttlSeconds("job", job, NOW_MS, { contentDays: 30, auditDays: 0 })).toBe(-1);
    expect(ttlSeconds("content", job, NOW_MS, { contentDays: 30, auditDays: 0 })).toBe(30 * 86_400);
  });

  it("lets all of a trail go at one moment, whenever it was written and whatever the setting became", () => {
    const whole = fc.nat({ max: 400 * 86_400 });
    fc.assert(
      fc.property(
        whole,
        whole,
        fc.integer({ min: 1, max: 400 }),
        fc.nat(400),
        (first, later, days, changed) => {
          const accepted = { contentDays: 1, auditDays: days };
          const now = { contentDays: 1, auditDays: changed };
          const deadline_ms = NOW_MS + 1000;
          const audit_until_ms = untilOf({ deadline_ms }, accepted).audit_until_ms;
          const job = { deadline_ms, audit_until_ms };
          const goesAt = (kind: "audit" | "job", atSeconds: number, retention: typeof now) => {
            const ttl = ttlSeconds(kind, job, NOW_MS + atSeconds * 1000, retention);
            return ttl === 1 ? undefined : NOW_MS + (atSeconds + ttl) * 1000;
          };
          expect(audit_until_ms).toBe(deadline_ms + days * DAY_MS);
          for (const goes of [goesAt("audit", first, accepted), goesAt("audit", later, now)]) {
            if (goes !== undefined) expect(goes).toBe(audit_until_ms);
          }
          expect(goesAt("job", 0, now)).toBe((audit_until_ms ?? 0) + 3_600_000);
        },
      ),
    );
  });
});
