import type { Clock } from "../../clock.ts";
import { type Log, reasonOf } from "../../log.ts";
import type { CallNews, Reports } from "../ports.ts";

/** A report is written after so many calls, or so long after the first of them; at once when a call went wrong. */
const REPORT_CALLS = 24;
const REPORT_AFTER_MS = 1_000;
/** Fewer calls say little, and a report of them costs as much: they wait for others this long. */
const FEW_CALLS = 4;
const REPORT_FEW_AFTER_MS = 4_000;
/** A report holds older news as well, which the dispatcher may not have seen. */
const MOST_NEWS = 96;

export interface ReporterDeps {
  readonly reports: Reports;
  readonly clock: Clock;
  readonly log: Log;
  readonly instance: string;
}

/** Tells the dispatcher, on another instance, what became of calls: few writes, each of many calls. */
export class Reporter {
  readonly #deps: ReporterDeps;
  #news: CallNews[] = [];
  #seq: number;
  #unsaid = 0;
  #dueMs = Infinity;
  #cancelTimer: () => void = () => undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(deps: ReporterDeps) {
    this.#deps = deps;
    this.#seq = deps.clock.now();
  }

  /** Not worth a report of its own: it goes with the next. */
  keep(news: CallNews): void {
    this.#news.push(news);
    this.#seq++;
    if (this.#news.length > MOST_NEWS) this.#news.splice(0, this.#news.length - MOST_NEWS);
  }

  /** Resolves once the dispatcher can know it, where that must be before anything else: a refusal, a failure. */
  async heard(news: CallNews): Promise<void> {
    this.keep(news);
    this.#unsaid++;
    if (news.outcome === "refused" || news.outcome === "failed") return this.flush();
    if (this.#unsaid >= REPORT_CALLS) void this.flush();
    else this.#writeIn(this.#unsaid >= FEW_CALLS ? REPORT_AFTER_MS : REPORT_FEW_AFTER_MS);
  }

  #writeIn(afterMs: number): void {
    const dueMs = this.#deps.clock.now() + afterMs;
    if (dueMs >= this.#dueMs) return;
    this.#cancelTimer();
    this.#dueMs = dueMs;
    this.#cancelTimer = this.#deps.clock.after(afterMs, () => void this.flush());
  }

  /** Tells all that is not told yet: also before nobody's work keeps this process running. */
  flush(): Promise<void> {
    this.#cancelTimer();
    this.#dueMs = Infinity;
    this.#writing = this.#writing.then(async () => {
      const unsaid = this.#unsaid;
      if (unsaid === 0) return;
      this.#unsaid = 0;
      const { reports, clock, log, instance } = this.#deps;
      try {
        await reports.write({ instance, seq: this.#seq, news: [...this.#news] }, clock.now());
      } catch (thrown) {
        // What was taken comes back with time, and headers tell again.
        log.warn("report_not_written", { calls: unsaid, reason: reasonOf(thrown) });
      }
    });
    return this.#writing;
  }
}
