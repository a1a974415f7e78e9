import type { Clock } from "../clock.ts";
import { dayOf, monthOf } from "../day.ts";
import { unitsOf } from "../decimal.ts";
import type { Problem } from "../errors.ts";
import { type Log, reasonOf } from "../log.ts";
import type { Priority } from "../priority.ts";
import type { JobKey } from "../store.ts";
import type { Budget } from "../tenant/budget.ts";
import type { Tenants } from "../tenant/tenants.ts";
import {
  type Account,
  type Ask,
  amountFor,
  type Correction,
  correct,
  dueOf,
  found,
  type Over,
  overOf,
  reserve,
  type Spent,
  type Standing,
  settle,
  standingsOf,
} from "./account.ts";
import type { AccountKey, BudgetLedger, ClaimRecords } from "./ports.ts";
import { refusalOf } from "./refusal.ts";
import { type Changed, SharedAccount } from "./shared-account.ts";
import { WaitingJobs } from "./waiting-jobs.ts";

export interface BudgetsDeps {
  readonly ledger: BudgetLedger;
  readonly claims: ClaimRecords;
  /** Has a worker look at the job now. Throws when Service Bus does not take the message. */
  readonly wake: (job: JobKey) => Promise<void>;
  readonly tenants: () => Tenants;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/** Jobs of a tenant wait on this instance: how often it looks whether calls on others have left money over. */
const LOOK_FOR_ROOM_MS = 1_000;
/** Reservations looked at in one go: each costs a read or two. */
const MAX_LOOKS = 20;
/** Jobs nudged in one go: the next look goes on. */
const MAX_LET_GO = 100;
/** Accounts the sweeper looks at in one go, and how often. */
const MAX_DUE_ACCOUNTS = 50;
const TEND_EVERY_MS = 10_000;

/** What a worker needs of budgets. */
export type CallBudgets = Pick<
  Budgets,
  "budgetOf" | "knownOver" | "reserve" | "settle" | "lost" | "leave" | "waits" | "refusal"
>;

/** What accepting jobs needs of budgets. */
export type SubmitBudgets = Pick<Budgets, "refusal">;

/** The budgets of all tenants, as one instance keeps them with the others. A tenant without one costs nothing. */
export class Budgets {
  readonly #deps: BudgetsDeps;
  readonly #accounts = new Map<string, SharedAccount>();
  /** Where the money of calls under way here was put aside, by claim. */
  readonly #open = new Map<string, SharedAccount>();
  readonly #waiting = new Map<string, WaitingJobs>();
  #tendedAt = Number.NEGATIVE_INFINITY;

  constructor(deps: BudgetsDeps) {
    this.#deps = deps;
  }

  budgetOf(tenantId: string): Budget | undefined {
    return this.#deps.tenants().get(tenantId)?.budget;
  }

  #known(tenantId: string): Account | undefined {
    const budget = this.budgetOf(tenantId);
    return budget && this.#account(tenantId, budget, this.#deps.clock.now()).known;
  }

  /** What is certain without asking: the money is spent, and stays so until the next period. */
  knownOver(tenantId: string): Over | undefined {
    const budget = this.budgetOf(tenantId);
    const known = this.#known(tenantId);
    if (budget === undefined || known === undefined) return undefined;
    const over = overOf(known, budget, this.#deps.clock.now());
    return over?.untilMs === null ? undefined : over;
  }

  /**
   * Puts money aside for a claim that is about to be made. Answers why not, where there is none.
   * @throws StoreUnavailable
   */
  async reserve(tenantId: string, ask: Ask): Promise<Over | undefined> {
    const budget = this.budgetOf(tenantId);
    if (budget === undefined) return undefined;
    const { clock } = this.#deps;
    const account = this.#account(tenantId, budget, clock.now());
    const attempt = () => account.apply((current) => reserved(current, budget, ask, clock.now()));
    let over = await attempt();
    // What is put aside may be for workers that are gone.
    if (over?.untilMs === null && (await this.#look(account))) over = await attempt();
    if (over === undefined) this.#open.set(ask.claim_id, account);
    return over;
  }

  /**
   * The claim's call has ended, or is not made after all. Never rejects: what could not be told is found in the job's
   * own record when the reservation is looked at.
   */
  async settle(claimId: string, spent: Spent): Promise<void> {
    const account = this.#open.get(claimId);
    if (account === undefined) return;
    this.#open.delete(claimId);
    try {
      await account.apply((current) => ({ account: settle(current, claimId, spent), answer: undefined }));
    } catch (thrown) {
      const { tenant_id } = account.key;
      this.#deps.log.warn("budget_settled_later", { tenant_id, claim_id: claimId, reason: reasonOf(thrown) });
      return;
    }
    void this.#letGo(account.key.tenant_id);
  }

  /** The worker that held the claim is gone, and nobody knows what its call cost. Never rejects, as above. */
  async lost(tenantId: string, claimId: string): Promise<void> {
    const budget = this.budgetOf(tenantId);
    if (budget === undefined) return;
    const { clock, log } = this.#deps;
    try {
      await this.#account(tenantId, budget, clock.now()).apply((current) => ({
        account: found(current, claimId, { kind: "lost" }, clock.now()),
        answer: undefined,
      }));
    } catch (thrown) {
      log.warn("budget_settled_later", {
        tenant_id: tenantId,
        claim_id: claimId,
        reason: reasonOf(thrown),
      });
    }
  }

  /** It is not known whether the claim was made: the job's own record will tell. */
  leave(claimId: string): void {
    this.#open.delete(claimId);
  }

  /** A job waits for money that is put aside for running calls: it is nudged once some of it is left over. */
  waits(job: JobKey & { readonly priority: Priority }, ask: Ask | undefined): void {
    const { tenant_id } = job;
    const known = this.#known(tenant_id);
    const amount = ask && (known === undefined ? ask.amount : amountFor(known, ask));
    let waiting = this.#waiting.get(tenant_id);
    if (waiting === undefined) {
      waiting = new WaitingJobs();
      this.#waiting.set(tenant_id, waiting);
      this.#lookForRoom(tenant_id);
    }
    waiting.add(job, unitsOf(amount ?? "0"));
  }

  #lookForRoom(tenantId: string): void {
    this.#deps.clock.after(LOOK_FOR_ROOM_MS, () => {
      void this.#letGo(tenantId).then(() => {
        if (this.#waiting.has(tenantId)) this.#lookForRoom(tenantId);
      });
    });
  }

  /** Nudges the jobs that there is money for now; the sweeper nudges those that could not be. */
  async #letGo(tenantId: string): Promise<void> {
    const waiting = this.#waiting.get(tenantId);
    if (waiting === undefined) return;
    const { wake, log } = this.#deps;
    try {
      const roomUnits = await this.#room(tenantId);
      for (const { tenant_id, job_id } of waiting.take(roomUnits, MAX_LET_GO))
        await wake({ tenant_id, job_id });
    } catch (thrown) {
      log.warn("budget_wait_prolonged", { tenant_id: tenantId, reason: reasonOf(thrown) });
    }
    if (waiting.size === 0) this.#waiting.delete(tenantId);
  }

  async #room(tenantId: string): Promise<bigint> {
    const budget = this.budgetOf(tenantId);
    // Whatever the jobs waited for: there is no such budget any more.
    if (budget === undefined) return ALL;
    const { clock } = this.#deps;
    const account = this.#account(tenantId, budget, clock.now());
    await this.#look(account);
    const over = await account.apply((current) => seen(current, budget, clock.now()));
    // Spent: they wait for the next period, which they are to be told.
    return over?.untilMs === null
      ? 0n
      : over !== undefined
        ? ALL
        : roomOf(account.known, budget, clock.now());
  }

  /** Why a submit is refused now; undefined: it is not. @throws StoreUnavailable */
  async refusal(tenantId: string, notBeforeMs: number | null): Promise<Problem | undefined> {
    const budget = this.budgetOf(tenantId);
    if (budget?.over !== "refuse") return undefined;
    const { clock } = this.#deps;
    const account = this.#account(tenantId, budget, clock.now());
    const look = () =>
      account.apply((current) => ({ ...seen(current, budget, clock.now()), doubtful: true }));
    let over = await look();
    if (over?.untilMs === null && (await this.#look(account))) over = await look();
    return refusalOf(budget, over, notBeforeMs, clock.now());
  }

  /** The account as it is stored now. @throws StoreUnavailable */
  async account(tenantId: string): Promise<Account | undefined> {
    const budget = this.budgetOf(tenantId);
    if (budget === undefined) return undefined;
    const { clock, ledger, random } = this.#deps;
    const { key } = this.#account(tenantId, budget, clock.now());
    const fresh = new SharedAccount(key, { ledger, clock, random });
    return fresh.apply((current) => ({ account: current, answer: current }));
  }

  /** What an operator has put on record for a day. @throws StoreUnavailable */
  async correct(tenantId: string, correction: Correction): Promise<void> {
    const budget = this.budgetOf(tenantId);
    if (budget === undefined) return;
    const { clock } = this.#deps;
    const own = this.#account(tenantId, budget, clock.now());
    const key = { ...own.key, month: monthOf(correction.day) };
    const account = key.month === own.key.month ? own : new SharedAccount(key, this.#deps);
    await account.apply((current) => ({ account: correct(current, correction), answer: undefined }));
  }

  /** The sweeper's part: reservations that no worker settled. @throws StoreUnavailable */
  async tend(): Promise<void> {
    const { clock, ledger, tenants, random } = this.#deps;
    if (tenants().budgeted.length === 0) return;
    if (clock.monotonic() - this.#tendedAt < TEND_EVERY_MS) return;
    this.#tendedAt = clock.monotonic();
    for (const key of await ledger.due(clock.now(), MAX_DUE_ACCOUNTS)) {
      const account = this.#accounts.get(nameOf(key)) ?? new SharedAccount(key, { ledger, clock, random });
      await this.#look(account);
    }
  }

  /** Asks the jobs themselves what became of unsettled reservations. Answers whether any were looked at. */
  async #look(account: SharedAccount): Promise<boolean> {
    const { clock, claims, log } = this.#deps;
    const { tenant_id } = account.key;
    const due = await account.apply((current) => ({
      account: current,
      answer: dueOf(current, clock.now()).slice(0, MAX_LOOKS),
    }));
    if (due.length === 0) return false;
    const findings = await Promise.all(
      due.map(async (reservation) => ({ reservation, finding: await claims.find(tenant_id, reservation) })),
    );
    for (const { reservation, finding } of findings) {
      const { job_id, attempt, amount } = reservation;
      log.info("budget_reservation_looked_at", { job_id, attempt, amount, found: finding.kind });
    }
    await account.apply((current) => ({
      account: findings.reduce(
        (sum, { reservation, finding }) => found(sum, reservation.claim_id, finding, clock.now()),
        current,
      ),
      answer: undefined,
    }));
    return true;
  }

  #account(tenantId: string, budget: Budget, nowMs: number): SharedAccount {
    const key = { tenant_id: tenantId, month: monthOf(dayOf(nowMs)), currency: budget.currency };
    let account = this.#accounts.get(nameOf(key));
    if (account === undefined) {
      // Accounts of past months go; claims that are still open keep theirs.
      for (const [name, { key: old }] of this.#accounts)
        if (old.tenant_id === tenantId && old.month < key.month) this.#accounts.delete(name);
      account = new SharedAccount(key, this.#deps);
      this.#accounts.set(nameOf(key), account);
    }
    return account;
  }
}

const nameOf = ({ tenant_id, month, currency }: AccountKey) => `${tenant_id}/${month}/${currency}`;
/** More than any tenant's jobs may cost together. */
const ALL = 10n ** 60n;

function reserved(account: Account, budget: Budget, ask: Ask, nowMs: number): Changed<Over | undefined> {
  const result = reserve(account, budget, ask, nowMs);
  if (result.kind === "reserved") return { account: result.account, answer: undefined };
  return { account, answer: result.over, doubtful: result.over.untilMs === null };
}

function seen(account: Account, budget: Budget, nowMs: number): Changed<Over | undefined> {
  const over = overOf(account, budget, nowMs);
  return { account, answer: over, doubtful: over?.untilMs === null };
}

/** What is neither spent nor put aside, by the narrower limit, in units of 10^-18. */
function roomOf(account: Account | undefined, budget: Budget, nowMs: number): bigint {
  if (account === undefined) return 1n;
  const { day, month } = standingsOf(account, budget, nowMs);
  return [day, month]
    .filter((each): each is Standing => each !== undefined)
    .map(({ limit, spent, reserved: held }) => limit - spent - held)
    .reduce((least, each) => (each < least ? each : least), ALL);
}
