import type { Clock } from "../clock.ts";
import { type Log, reasonOf } from "../log.ts";
import { type JobKey, type Stored, StoreUnavailable } from "../store.ts";
import type { EventLogStore, LoggedEvent, LogHead, NewEvent } from "./ports.ts";

/** One claim of a job: its events are its own. */
export interface Writing extends JobKey {
  readonly attempt: number;
  readonly claimId: string;
  /** When the log lapses, Unix ms. */
  readonly untilMs: number;
}

export interface LogWriterDeps {
  readonly store: EventLogStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Something was added, here. */
  readonly added: (job: JobKey) => void;
}

/** Between two looks, and between two writes: soon at first, when somebody waits for the first words. */
export const everyMs = (sinceFirstMs: number) => (sinceFirstMs < 5_000 ? 250 : 1_000);

/** So much is written at once, whenever the last write was. */
const MANY_CHARS = 16 * 1024;
/** Of one write; with escapes and envelope well below what an item may hold. */
const MOST_CHARS = 512 * 1024;
/** An event that is longer cannot be kept beside others. */
const MAX_EVENT_BYTES = 1_500_000;

/** Writes the events of one attempt to its job's log, as they come: the first at once, later ones together. */
export class LogWriter {
  readonly #deps: LogWriterDeps;
  readonly #of: Writing;
  #waiting: (NewEvent | null)[] = [];
  #chars = 0;
  #firstAt: number | undefined;
  #cancelTimer: (() => void) | undefined;
  #head: Stored<LogHead> | undefined;
  /** What is there is known: not before the first look, and not after a write whose answer was lost. */
  #isSure: boolean;
  /** What was to be written, until it is known to be there. */
  #page: readonly (NewEvent | null)[] | undefined;
  #writes: Promise<void> = Promise.resolve();
  /** An event could not be kept: no later one follows. */
  #isCut = false;
  /** Nothing can be added any more: the log is another attempt's, or has ended. */
  #isOver = false;

  constructor(deps: LogWriterDeps, of: Writing) {
    this.#deps = deps;
    this.#of = of;
    this.#isSure = of.attempt === 1;
  }

  readonly event = (event: NewEvent): void => {
    if (this.#isOver || this.#isCut) return;
    const isFirst = this.#firstAt === undefined;
    this.#firstAt ??= this.#deps.clock.monotonic();
    if (isTooLong(event)) {
      // Its reader is given the whole answer instead, once that is there.
      this.#deps.log.warn("event_too_long", { job_id: this.#of.job_id, attempt: this.#of.attempt });
      this.#waiting.push(null);
      this.#isCut = true;
    } else this.#waiting.push(event);
    this.#chars += event.data.length;
    if (isFirst || this.#chars >= MANY_CHARS) this.#writeNow();
    else this.#writeLater();
  };

  /** Resolves once all that came is in the log, or nothing can be added any more. @throws StoreUnavailable; then try again */
  flush(): Promise<void> {
    this.#cancelTimer?.();
    return this.#inTurn(() => this.#write(true));
  }

  #writeNow(): void {
    this.#cancelTimer?.();
    this.#inTurn(() => this.#write(false)).catch((thrown: unknown) => {
      const { job_id, attempt } = this.#of;
      this.#deps.log.warn("events_not_written", { job_id, attempt, reason: reasonOf(thrown) });
      if (thrown instanceof StoreUnavailable) this.#writeLater();
      else this.#isOver = true;
    });
  }

  #writeLater(): void {
    const { clock } = this.#deps;
    this.#cancelTimer ??= clock.after(everyMs(clock.monotonic() - (this.#firstAt ?? 0)), () => {
      this.#writeNow();
    });
  }

  #inTurn(write: () => Promise<void>): Promise<void> {
    const turn = this.#writes.then(write);
    this.#writes = turn.catch(() => undefined); // it is told to whoever asked for that write
    return turn;
  }

  /** @param all also what comes meanwhile; else that waits for its own time */
  async #write(all: boolean): Promise<void> {
    this.#cancelTimer = undefined;
    let isDone = this.#waiting.length === 0 && this.#page === undefined;
    while (!isDone && !this.#isOver) {
      await this.#writePage();
      isDone = this.#page === undefined && (!all || this.#waiting.length === 0);
    }
    if (!this.#isOver && this.#waiting.length > 0) this.#writeLater();
  }

  async #writePage(): Promise<void> {
    const { store, added } = this.#deps;
    this.#page ??= this.#nextPage();
    if (!this.#isSure && (await this.#look()) === "written") return;
    if (this.#isOver) return;
    const { claimId: claim_id, attempt, untilMs } = this.#of;
    const before = this.#head?.value;
    const events = numbered(before, attempt, this.#page);
    const head = { claim_id, attempt, next: (before?.next ?? 0) + events.length };
    this.#isSure = false;
    const result = await store.append(this.#of, head, events, this.#head?.etag, untilMs);
    if (result.kind === "superseded") return;
    this.#head = { value: head, etag: result.etag };
    this.#isSure = true;
    this.#page = undefined;
    added(this.#of);
  }

  #nextPage(): readonly (NewEvent | null)[] {
    let chars = 0;
    const isOfNext = (event: NewEvent | null, at: number) => {
      chars += event?.data.length ?? 0;
      return at > 0 && chars > MOST_CHARS;
    };
    const end = this.#waiting.findIndex(isOfNext);
    const page = this.#waiting.splice(0, end === -1 ? this.#waiting.length : end);
    this.#chars = this.#waiting.reduce((sum, event) => sum + (event?.data.length ?? 0), 0);
    return page;
  }

  /** Reads what is there. @returns written: a write whose answer was lost was made after all */
  async #look(): Promise<"written" | "not_written"> {
    const { claimId, attempt } = this.#of;
    const found = await this.#deps.store.head(this.#of);
    const isMine = found?.value.claim_id === claimId;
    const isWritten = isMine && found.value.next > (this.#head?.value.next ?? 0);
    if (isWritten) {
      this.#page = undefined;
      this.#deps.added(this.#of);
    }
    const mayTake = found === undefined ? this.#head === undefined : isMine || found.value.attempt < attempt;
    this.#isOver = !mayTake || found?.value.ended === true;
    this.#head = found;
    this.#isSure = true;
    return isWritten ? "written" : "not_written";
  }
}

/** The events as they follow what is there. Those of another attempt are closed first. */
function numbered(
  before: LogHead | undefined,
  attempt: number,
  events: readonly (NewEvent | null)[],
): LoggedEvent[] {
  const first = before?.next ?? 0;
  const isOfAnother = before !== undefined && before.attempt !== attempt;
  const all = [
    ...(isOfAnother ? [{ attempt: before.attempt, event: null }] : []),
    ...events.map((event) => ({ attempt, event })),
  ];
  return all.map((each, at) => ({ number: first + at, ...each }));
}

function isTooLong({ data }: NewEvent): boolean {
  return data.length * 6 > MAX_EVENT_BYTES && Buffer.byteLength(JSON.stringify(data)) > MAX_EVENT_BYTES;
}
