import type { AuditRecord } from "../../audit/record.ts";
import { type Finding, NOTHING_SPENT, type Reservation } from "../../budget/account.ts";
import type { ClaimRecords } from "../../budget/ports.ts";
import { UnreadableItem } from "../../store.ts";
import { type JobFacts, type Lease, leaseOf } from "../job.ts";
import type { JobStore } from "../ports.ts";

/** What a job's own record says of an attempt's claims, as far as it tells of them. */
export type JobRecord =
  | {
      readonly job: Pick<JobFacts, "attempts" | "budget_claims"> & {
        readonly lease: Pick<Lease, "claim_id"> | null;
      };
      readonly trail: readonly Pick<AuditRecord, "attempt" | "event" | "outcome" | "cost" | "cost_unknown">[];
    }
  /** There is no such job. */
  | undefined;

/**
 * What became of a reservation whose worker has not settled it: its job tells. A claim that the job was never given to
 * may still be about to be written, so its money is freed but it is remembered.
 */
export function reconcile(reservation: Reservation, record: JobRecord): Finding {
  if (record === undefined) return { kind: "settle", ...NOTHING_SPENT };
  const { job, trail } = record;
  const { attempt, claim_id } = reservation;
  if (job.attempts < attempt) return { kind: "free" };
  // The attempt is another claim's: this one can be written no more.
  if (job.budget_claims?.[attempt] !== claim_id) return { kind: "settle", ...NOTHING_SPENT };
  if (job.lease?.claim_id === claim_id) return { kind: "keep" };
  const told = trail.filter((each) => each.attempt === attempt && isCallsOwn(each));
  const billed = told.find(({ cost }) => cost !== null);
  if (billed !== undefined) return { kind: "settle", cost: billed.cost?.amount ?? null };
  if (told.length === 0) return { kind: "lost" };
  return { kind: "settle", cost: told.some(isUnknown) ? null : "0" };
}

/** Told by the worker that made the call; those who took it for lost, or ended the job over it, know no cost. */
function isCallsOwn({ event, outcome }: Pick<AuditRecord, "event" | "outcome">): boolean {
  return outcome !== null && event !== "attempt_lost";
}

const isUnknown = ({ cost_unknown }: Pick<AuditRecord, "cost_unknown">) => cost_unknown !== undefined;

/** Reads a job and its trail for whoever looks after budgets. Every method throws StoreUnavailable. */
export function claimRecords(store: Pick<JobStore, "read" | "audit">): ClaimRecords {
  return {
    async find(tenant_id, reservation) {
      const key = { tenant_id, job_id: reservation.job_id };
      // The job first: its trail is then at least as new.
      const job = await store.read(key).catch((thrown: unknown) => {
        if (thrown instanceof UnreadableItem) return null;
        throw thrown;
      });
      if (job === null) return { kind: "keep" };
      const trail = job === undefined ? [] : await store.audit(key);
      return reconcile(reservation, job && { job: { ...job.value, lease: leaseOf(job.value) }, trail });
    },
  };
}
