import type { Clock } from "../../clock.ts";
import { type Log, reasonOf } from "../../log.ts";
import type { Stored } from "../../store.ts";
import type { Plan } from "../advance.ts";
import type { InProgress, Job } from "../job.ts";
import { draftOf, renewLease } from "../life-cycle.ts";
import type { JobStore } from "../ports.ts";
import { patiently, save } from "../saving.ts";

/** Renewals in a lease's length: two may fail before it runs out. */
const RENEWALS_PER_LEASE = 3;

export type Settled =
  | { readonly kind: "settled"; readonly plan: Plan; readonly stored: Stored<Job> }
  /** Somebody else holds the job now, or it ended. */
  | { readonly kind: "superseded" };

export interface ClaimDeps {
  readonly store: JobStore;
  readonly clock: Clock;
  readonly log: Log;
}

/** The job as it is stored now, where the claim still holds it. */
export function adopted(current: Stored<Job> | undefined, claimId: string): Stored<InProgress> | undefined {
  const job = current?.value;
  if (current === undefined || job?.status !== "in_progress" || job.lease.claim_id !== claimId)
    return undefined;
  return { value: job, etag: current.etag };
}

/**
 * A job that this worker has claimed for one call. Every write of it goes one at a time with the latest etag. After a write
 * that was refused or whose answer was lost it reads again: while the claim id is its own it goes on with what it
 * read, else the attempt is superseded and `signal` aborts the call.
 */
export class Claim {
  readonly #deps: ClaimDeps;
  readonly #claimId: string;
  readonly #renewEveryMs: number;
  readonly #abort = new AbortController();
  readonly #cancelDeadline: () => void;
  #cancelRenewal: () => void = () => undefined;
  #stored: Stored<InProgress>;
  #writes: Promise<void> = Promise.resolve();
  #settling = false;
  #superseded = false;

  constructor(deps: ClaimDeps, claimed: Stored<InProgress>) {
    const { lease, deadline_ms } = claimed.value;
    this.#deps = deps;
    this.#stored = claimed;
    this.#claimId = lease.claim_id;
    this.#renewEveryMs = (lease.seconds * 1000) / RENEWALS_PER_LEASE;
    this.#cancelDeadline = deps.clock.after(deadline_ms - deps.clock.now(), () => this.abort("deadline"));
    this.#scheduleRenewal();
  }

  /** Aborts with a reason in words: `superseded`, `deadline`, or what `abort` was given. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get job(): InProgress {
    return this.#stored.value;
  }

  abort(reason: string): void {
    this.#abort.abort(reason);
  }

  #scheduleRenewal(): void {
    this.#cancelRenewal = this.#deps.clock.after(this.#renewEveryMs, () => {
      void this.#inTurn(() => this.#renew()).then(() => {
        if (!this.#settling && !this.#superseded) this.#scheduleRenewal();
      });
    });
  }

  /** One write at a time: each waits for the one before, whatever became of that. */
  #inTurn<T>(write: () => Promise<T>): Promise<T> {
    const turn = this.#writes.then(write);
    this.#writes = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }

  async #renew(): Promise<void> {
    if (this.#superseded || this.#settling) return;
    const { store, clock, log } = this.#deps;
    const renewed = draftOf(renewLease(this.#stored.value, clock.now()));
    try {
      const saved = await save(store, renewed, this.#stored.etag, clock.now());
      this.#adopt(saved.kind === "written" ? { value: saved.job, etag: saved.etag } : saved.current);
    } catch (thrown) {
      // The next renewal tries again; until somebody else can write, nobody else can take the job either.
      log.warn("lease_renewal_failed", { job_id: this.job.job_id, reason: reasonOf(thrown) });
    }
  }

  /** Goes on with a newer version while it is still this claim's. */
  #adopt(current: Stored<Job> | undefined): void {
    const mine = adopted(current, this.#claimId);
    if (mine !== undefined) {
      this.#stored = mine;
      return;
    }
    this.#superseded = true;
    this.abort("superseded");
  }

  /**
   * Ends the claim: stores what `decide` makes of the job. Goes on for a while when the store is away, for the
   * answer is paid for; throws StoreUnavailable after that.
   */
  async settle(decide: (job: InProgress) => Plan): Promise<Settled> {
    this.#settling = true;
    this.#cancelRenewal();
    this.#cancelDeadline();
    return this.#inTurn(() => this.#settle(decide));
  }

  async #settle(decide: (job: InProgress) => Plan): Promise<Settled> {
    const { store, clock } = this.#deps;
    const { job_id, attempts: attempt } = this.job;
    while (!this.#superseded) {
      // Decided once for a version of the job, so that a write whose answer was lost is known again.
      const plan = decide(this.#stored.value);
      const { etag } = this.#stored;
      const saved = await patiently(this.#deps, { job_id, attempt }, () =>
        save(store, plan.draft, etag, clock.now()),
      );
      if (saved.kind === "written")
        return { kind: "settled", plan, stored: { value: saved.job, etag: saved.etag } };
      this.#adopt(saved.current);
    }
    return { kind: "superseded" };
  }
}
