import { reasonOf } from "../../log.ts";
import type { CallNews, JobInLine } from "../ports.ts";
import { Leadership } from "./leadership.ts";
import { type DispatcherDeps, Term } from "./term.ts";

/** How often a process looks whether somebody dispatches, and how often the sweeper does while nothing waits. */
const LOOK_EVERY_MS = 1_000;
const TEND_EVERY_MS = 5_000;
/** How soon another message to dispatch is sent where nobody has answered the one before. */
const SEND_AGAIN_MS = 5_000;
/** A process that ends may itself take the message by which another is to dispatch: it sends it on. */
const ELSEWHERE_MS = 200;
/** Whoever has just seen a live lease looks no more: so long after it is given up, the line is looked at again. */
const LAST_LOOK_MS = LOOK_EVERY_MS + 200;

/**
 * The one of all instances that lets waiting jobs go, inside the invocation of a message. Whoever puts a job in line
 * makes sure that somebody dispatches. If the one that does dies, its message comes again, and all is in the store.
 */
export class Dispatcher {
  readonly #deps: DispatcherDeps;
  #term: Term | undefined;
  readonly #runs = new Set<Promise<void>>();
  #isEnding = false;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #nothingAt = Number.NEGATIVE_INFINITY;
  #sent: { readonly renewals: number; readonly at: number } | undefined;

  constructor(deps: DispatcherDeps) {
    this.#deps = deps;
  }

  get isLeading(): boolean {
    return this.#term !== undefined;
  }

  /** Jobs in memory: the first of each lane, however many wait. */
  get jobs(): number {
    return this.#term?.jobs ?? 0;
  }

  /** Makes sure that somebody dispatches. */
  async ensure(): Promise<void> {
    const { clock, log } = this.#deps;
    // A live holder finds what began to wait since by itself.
    if (this.#term !== undefined || clock.monotonic() - this.#lookedAt < LOOK_EVERY_MS) return;
    this.#lookedAt = clock.monotonic();
    try {
      await this.#call(false);
    } catch (thrown) {
      log.warn("dispatcher_not_reached", { reason: reasonOf(thrown) });
    }
  }

  /** The sweeper's net: a dispatcher that died left jobs waiting, or a message was lost. Throws StoreUnavailable. */
  async tend(): Promise<void> {
    const at = this.#deps.clock.monotonic();
    if (this.#term !== undefined || at - this.#nothingAt < TEND_EVERY_MS) return;
    const [waiting] = await this.#deps.line.joinedAfter(0, 1);
    if (waiting === undefined) this.#nothingAt = at;
    else await this.#call(true);
  }

  /** @param maySleep whether one that is to go on at some time may be left to that */
  async #call(maySleep: boolean): Promise<void> {
    const { leases, releases, clock } = this.#deps;
    const stored = await leases.read();
    if (Leadership.isHeld(stored)) return;
    if (maySleep && (stored?.value.resumes_ms ?? 0) > clock.now()) return;
    const [renewals, at] = [stored?.value.renewals ?? 0, clock.monotonic()];
    if (this.#sent?.renewals === renewals && at - this.#sent.at < SEND_AGAIN_MS) return;
    this.#sent = { renewals, at };
    await releases.dispatch();
  }

  /** A job began to wait here. */
  joinedHere(job: JobInLine): void {
    this.#term?.joinedHere(job);
  }

  /** News of a call that was made here. */
  heard(news: CallNews): void {
    this.#term?.heard(news);
  }

  /** Dispatches, inside this invocation, unless somebody does already. Throws StoreUnavailable. */
  run(): Promise<void> {
    if (this.#isEnding) return this.#deps.releases.dispatch(this.#deps.clock.now() + ELSEWHERE_MS);
    if (this.#term !== undefined) return Promise.resolve();
    const run = this.#run().finally(() => this.#runs.delete(run));
    this.#runs.add(run);
    return run;
  }

  async #run(): Promise<void> {
    const { clock, log, line, releases, instance } = this.#deps;
    const leadership = new Leadership(this.#deps);
    for (;;) {
      const acquired = await leadership.acquire();
      if (acquired === undefined || this.#term !== undefined) return;
      log.info("dispatching", { instance });
      const sinceMs = clock.now() - (acquired.before?.age_ms ?? Infinity);
      const { holder = null, granted_ms } = acquired.before?.value ?? {};
      const term = new Term(this.#deps, leadership, sinceMs, holder === null ? granted_ms : sinceMs);
      this.#term = term;
      const ended = await term.run().finally(() => {
        this.#term = undefined;
      });
      log.info("dispatched", { instance, ended: ended.kind });
      if (ended.kind === "lost") return;
      const atMs = ended.kind === "to_go_on" ? ended.atMs : undefined;
      await leadership.release({ resumes_ms: atMs, granted_ms: term.grantedMs });
      if (ended.kind === "to_go_on") return releases.dispatch(atMs);
      // Whoever stored a job before this look is seen by it; whoever does later finds that nobody dispatches.
      await new Promise<void>((resolve) => clock.after(LAST_LOOK_MS, resolve));
      const [waiting] = await line.joinedAfter(0, 1);
      if (waiting === undefined) return;
    }
  }

  /** This process ends: another goes on. Resolves once it can. */
  async handOver(): Promise<void> {
    this.#isEnding = true;
    this.#term?.end();
    await Promise.allSettled(this.#runs);
  }
}
