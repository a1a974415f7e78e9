import type { JobKey } from "../../store.ts";
import type { SeenLease } from "../ports.ts";

/** A lease that was late, and since when it has been seen so: by then it had these renewals. */
export interface WatchedLease extends JobKey {
  readonly claim_id: string;
  readonly renewals: number;
  readonly since_ms: number;
}

/**
 * The leases that are watched, kept where every sweeper finds them: a sweeper that dies takes no knowledge with it.
 * Each says what was true at one moment, so an older list written over a newer one costs time and nothing else.
 * Every method throws StoreUnavailable.
 */
export interface LeaseWatch {
  read(): Promise<readonly WatchedLease[]>;
  keep(leases: readonly WatchedLease[]): Promise<void>;
}

/** A live holder renews three times in a lease's length, so by half of it one renewal is late. */
const LATE_SHARE = 0.5;
/** What a time in whole seconds may be off. */
const WHOLE_SECOND_MS = 1_000;

/** From this age on a lease of that length is watched. */
export const lateAfterMs = (leaseSeconds: number) => leaseSeconds * 1000 * LATE_SHARE + WHOLE_SECOND_MS;

/** What became of the leases: which are dead, and which are watched on. */
export interface Verdict {
  readonly dead: readonly SeenLease[];
  readonly watch: readonly WatchedLease[];
  /** False: `watch` says what is kept already. */
  readonly changed: boolean;
}

/**
 * A lease counts as dead when it was seen unchanged for its whole length, by the clock of the store that would have
 * written its renewals. Being late is not enough: while the store was away nobody could renew.
 */
export function judge(known: readonly WatchedLease[], leases: readonly SeenLease[]): Verdict {
  const before = new Map(known.map((each) => [each.job_id, each]));
  const dead: SeenLease[] = [];
  const watch: WatchedLease[] = [];
  for (const lease of leases) {
    if (lease.read_ms - lease.written_ms < lateAfterMs(lease.lease_seconds)) continue;
    const { tenant_id, job_id, claim_id, renewals, read_ms } = lease;
    const seen = before.get(job_id);
    const same = seen?.claim_id === claim_id && seen.renewals === renewals;
    const isDead = same && read_ms - seen.since_ms >= lease.lease_seconds * 1000;
    if (isDead) dead.push(lease);
    // A dead one's nudge may wait in a long queue: the next one after another lease's length.
    const since_ms = same && !isDead ? seen.since_ms : read_ms;
    watch.push({ tenant_id, job_id, claim_id, renewals, since_ms });
  }
  const changed = watch.length !== known.length || watch.some((each) => !isKept(before, each));
  return { dead, watch, changed };
}

function isKept(known: ReadonlyMap<string, WatchedLease>, each: WatchedLease): boolean {
  const kept = known.get(each.job_id);
  return (
    kept?.claim_id === each.claim_id && kept.renewals === each.renewals && kept.since_ms === each.since_ms
  );
}
