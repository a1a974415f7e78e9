import type { Clock } from "../../clock.ts";
import { type Log, reasonOf } from "../../log.ts";
import type { CallNews } from "../dispatch/scheduler.ts";
import type { Reports } from "../ports.ts";

/** A report is written after so many calls, or so long after the first of them; at once when a call went wrong. */
const REPORT_CALLS = 24;
const REPORT_AFTER_MS = 1_000;
/**
 * Fewer than so many calls say little, and cost as much: they wait for others this long. Where many instances have few
 * calls each, all of them together tell the dispatcher enough.
 */
const FEW_CALLS = 4;
const REPORT_FEW_AFTER_MS = 4_000;
/** A report holds older news as well, in case the dispatcher did not see the one before. */
const MOST_NEWS = 96;

/** Tells the dispatcher, on another instance, what became of the calls it let go: few writes, each of many calls. */
export class Reporter {
  readonly #deps: { reports: Reports; clock: Clock; log: Log; instance: string };
  #news: CallNews[] = [];
  #seq: number;
  #unsaid = 0;
  #isAwaited = false;
  #cancelTimer: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(deps: { reports: Reports; clock: Clock; log: Log; instance: string }) {
    this.#deps = deps;
    this.#seq = deps.clock.now();
  }

  /**
   * Resolves once the dispatcher can know it, where that must be before anything else: a refusal, a failure.
   * @param isAwaited whether another call may have to wait until the dispatcher knows that this one has ended
   */
  async heard(news: CallNews, isAwaited = false): Promise<void> {
    this.#news.push(news);
    this.#seq++;
    this.#unsaid++;
    if (this.#news.length > MOST_NEWS) this.#news.splice(0, this.#news.length - MOST_NEWS);
    if (news.outcome === "refused" || news.outcome === "failed") return this.#write();
    if (this.#unsaid >= REPORT_CALLS) void this.#write();
    else this.#writeSoon(isAwaited);
  }

  #writeSoon(isAwaited: boolean): void {
    if (isAwaited && !this.#isAwaited) {
      // The timer may be that of a few calls that nobody waits for.
      this.#isAwaited = true;
      this.#cancelTimer?.();
      this.#cancelTimer = undefined;
    }
    this.#cancelTimer ??= this.#deps.clock.after(REPORT_AFTER_MS, () => this.#writeUnlessFew());
  }

  #writeUnlessFew(): void {
    if (this.#isAwaited || this.#unsaid >= FEW_CALLS) {
      void this.#write();
      return;
    }
    const restMs = REPORT_FEW_AFTER_MS - REPORT_AFTER_MS;
    this.#cancelTimer = this.#deps.clock.after(restMs, () => void this.#write());
  }

  #write(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#isAwaited = false;
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
