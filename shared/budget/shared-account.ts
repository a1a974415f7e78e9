import type { Clock } from "../clock.ts";
import { type Stored, StoreUnavailable } from "../store.ts";
import { type Account, newAccount } from "./account.ts";
import type { AccountKey, BudgetLedger } from "./ports.ts";

/** What a change makes of an account, and its answer to the caller. */
export interface Changed<A> {
  /** The very same object where nothing changes. */
  readonly account: Account;
  readonly answer: A;
  /** The answer may be another one by now, should others have written: to be asked of the store itself. */
  readonly doubtful?: boolean;
}

interface Pending {
  readonly change: (account: Account) => Changed<unknown>;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/** Other instances write too: how often a change is tried against newer versions, and the most it waits between. */
const MAX_TRIES = 30;
const MAX_PAUSE_MS = 40;
/** A write whose answer was lost is looked for once: changes are such that a second one changes nothing. */
const MAX_LOST = 2;

/**
 * An account as this instance changes it: by etag, from what it knows of it, read again when another was quicker.
 * Changes that come while a write is under way go together in the next one, so that a busy tenant costs a few writes,
 * not a few a job.
 */
export class SharedAccount {
  readonly key: AccountKey;
  readonly #deps: { readonly ledger: BudgetLedger; readonly clock: Clock; readonly random: () => number };
  #known: Stored<Account> | undefined;
  #pending: Pending[] = [];
  #busy = false;

  constructor(
    key: AccountKey,
    deps: { readonly ledger: BudgetLedger; readonly clock: Clock; readonly random: () => number },
  ) {
    this.key = key;
    this.#deps = deps;
  }

  /** As it was last seen or written here; undefined: not yet. */
  get known(): Account | undefined {
    return this.#known?.value;
  }

  /** @param change pure, and the same when applied twice @throws StoreUnavailable */
  apply<A>(change: (account: Account) => Changed<A>): Promise<A> {
    return new Promise<A>((resolve, reject) => {
      this.#pending.push({ change, resolve: (answer) => resolve(answer as A), reject });
      if (!this.#busy) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#busy = true;
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0);
      try {
        const answers = await this.#commit(batch);
        for (const [at, { resolve }] of batch.entries()) resolve(answers[at]);
      } catch (thrown) {
        this.#known = undefined;
        for (const { reject } of batch) reject(thrown);
      }
    }
    this.#busy = false;
  }

  async #commit(batch: readonly Pending[]): Promise<unknown[]> {
    let lost = 0;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const outcome = await this.#try(batch).catch((thrown: unknown) => {
        if (!(thrown instanceof StoreUnavailable) || ++lost === MAX_LOST) throw thrown;
        this.#known = undefined;
        return "lost" as const;
      });
      if (Array.isArray(outcome)) return outcome;
      if (outcome === "superseded") await this.#pause();
    }
    throw new StoreUnavailable(`the budget of ${this.key.tenant_id} changed ${MAX_TRIES} times meanwhile`);
  }

  async #try(batch: readonly Pending[]): Promise<unknown[] | "superseded" | "doubtful"> {
    const isFresh = this.#known === undefined;
    const base = this.#known ?? (await this.#read());
    let account = base.value;
    const answers: unknown[] = [];
    for (const { change } of batch) {
      const changed = change(account);
      if (changed.doubtful === true && !isFresh) {
        this.#known = undefined;
        return "doubtful";
      }
      account = changed.account;
      answers.push(changed.answer);
    }
    if (account === base.value) {
      if (base.etag !== undefined) this.#known = { value: account, etag: base.etag };
      return answers;
    }
    const written = await this.#deps.ledger.write(this.key, account, base.etag);
    this.#known = written.kind === "written" ? { value: account, etag: written.etag } : undefined;
    return written.kind === "written" ? answers : "superseded";
  }

  async #read(): Promise<{ value: Account; etag: string | undefined }> {
    const { month, currency } = this.key;
    const found = await this.#deps.ledger.read(this.key);
    return found ?? { value: newAccount(month, currency), etag: undefined };
  }

  #pause(): Promise<void> {
    const { clock, random } = this.#deps;
    return new Promise((resolve) => clock.after(MAX_PAUSE_MS * random(), resolve));
  }
}
