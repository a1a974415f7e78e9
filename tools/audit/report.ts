import type { Counts, Finding } from "../../shared/audit/verify.ts";

/** One line a broken chain, for people and for `grep`. */
export function findingLine({ chain, seq, why }: Finding): string {
  return `BROKEN ${chain} at ${seq}: ${why}`;
}

const plural = (n: number, word: string) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;

export function progressLine(counts: Readonly<Counts>): string {
  return `${countsText(counts)}; ${counts.broken} broken`;
}

export function summary(counts: Readonly<Counts>): string {
  const verdict = counts.broken === 0 ? "All hold." : `${plural(counts.broken, "fault")}.`;
  const lapsed =
    counts.lapsed === 0 ? "" : ` ${plural(counts.lapsed, "trail")} had gone after their retention.`;
  const unlike =
    counts.unlike === 0
      ? ""
      : ` ${plural(counts.unlike, "attempt")} cannot be made again of the stored request: the catalogue has changed since, or what was sent was not the job's.`;
  return `${countsText(counts)}. ${verdict}${lapsed}${unlike}`;
}

function countsText(counts: Readonly<Counts>): string {
  return [
    `${plural(counts.jobs, "job")} with ${plural(counts.records, "record")}`,
    plural(counts.control_records, "control record"),
    `${plural(counts.seals, "seal")} with ${plural(counts.sealed_heads, "sealed head")}`,
  ].join(", ");
}

/** How often the line is rewritten, ms. On a terminal it stays in its place; in a log each line stays. */
const EVERY_MS = { terminal: 200, log: 10_000 };

/** Progress on a stream that is not the report's own. */
export class Progress {
  readonly #out: NodeJS.WriteStream;
  readonly #monotonic: () => number;
  #written: number;

  constructor(out: NodeJS.WriteStream, monotonic: () => number) {
    this.#out = out;
    this.#monotonic = monotonic;
    this.#written = monotonic();
  }

  show(counts: Readonly<Counts>): void {
    const now = this.#monotonic();
    if (now - this.#written < (this.#out.isTTY ? EVERY_MS.terminal : EVERY_MS.log)) return;
    this.#written = now;
    this.#out.write(this.#out.isTTY ? `\r\u001b[K${progressLine(counts)}` : `${progressLine(counts)}\n`);
  }

  /** Takes the line away, so that something else can be written in its place. */
  clear(): void {
    if (this.#out.isTTY) this.#out.write("\r\u001b[K");
  }
}
