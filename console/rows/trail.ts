import type { Cost } from "./words.ts";

/** One record of a history, as far as the console looks at it; its hash covers every field there is. */
export interface TrailRecord {
  readonly job_id: string;
  readonly seq: number;
  readonly at: number;
  readonly event: string;
  readonly actor: string;
  readonly attempt: number | null;
  readonly deployment: string | null;
  readonly provider: string | null;
  readonly outcome: string | null;
  readonly reason: string | null;
  readonly message?: string;
  readonly cost: Cost | null;
  readonly cost_unknown?: string;
  readonly latency_ms: number | null;
  readonly prev_hash: string;
  readonly hash: string;
}

/** A link of a chain: `seq` or `n` numbers it. */
export interface Link {
  readonly seq?: number;
  readonly n?: number;
  readonly prev_hash: string;
  readonly hash: string;
}

export type Verdict =
  | { readonly isIntact: true; readonly records: number }
  | { readonly isIntact: false; readonly seq: number; readonly why: string };

/** RFC 8785 canonical JSON: names sorted by their UTF-16 code units, and nothing between. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, each]) => `${JSON.stringify(name)}:${canonicalJson(each)}`);
  return `{${members.join(",")}}`;
}

const GENESIS = "0".repeat(64);

export const numberOf = ({ seq, n }: Link): number => seq ?? n ?? 0;

/**
 * Whether each record follows the one before and has the hash of its own fields.
 * @param sha256Hex of the UTF-8 of a text
 * @param isFromFirst false: older ones may be missing, and what the first follows is not known
 */
export async function verifyLinks(
  records: readonly Link[],
  sha256Hex: (text: string) => Promise<string>,
  isFromFirst = true,
): Promise<Verdict> {
  const first = records[0];
  let [seq, head] =
    isFromFirst || first === undefined ? [0, GENESIS] : [numberOf(first) - 1, first.prev_hash];
  const broken = (why: string): Verdict => ({ isIntact: false, seq: seq + 1, why });
  for (const record of records) {
    const { hash, ...fields } = record;
    if (numberOf(record) !== seq + 1) return broken(`record ${seq + 1} is missing or out of order`);
    if (record.prev_hash !== head) return broken("it does not follow the record before");
    if ((await sha256Hex(canonicalJson(fields))) !== hash) return broken("its fields do not give its hash");
    [seq, head] = [numberOf(record), hash];
  }
  return { isIntact: true, records: records.length };
}

const ENDS = new Set(["completed", "failed", "cancelled", "expired"]);
const AFTER_CALL = new Set(["attempt_failed", "attempt_lost", ...ENDS]);

/** A stretch of a job's life. `share`: of the bar's width, percent; what it did not need in truth is cut out of waits. */
export interface Span {
  readonly kind: "call" | "wait";
  readonly label: string;
  readonly seconds: number;
  readonly share: number;
  /** Whether it is drawn shorter than it was. */
  readonly isCompressed: boolean;
}

/**
 * A history as stretches of waiting and calling. A wait is drawn at most as long as the longest call, or a second:
 * what happened is to be seen, not how long nothing did.
 * @param nowSeconds to where the last stretch of a job that has not ended reaches
 */
export function spansOf(records: readonly TrailRecord[], nowSeconds: number): readonly Span[] {
  const stretches = stretchesOf(records, nowSeconds);
  const longestCall = Math.max(1, ...stretches.filter((s) => s.kind === "call").map((s) => s.seconds));
  const drawn = stretches.map((stretch) => {
    const isCompressed = stretch.kind === "wait" && stretch.seconds > longestCall;
    return { ...stretch, isCompressed, width: Math.max(0.1, isCompressed ? longestCall : stretch.seconds) };
  });
  const all = drawn.reduce((sum, { width }) => sum + width, 0);
  return drawn.map(({ width, ...span }) => ({ ...span, share: (100 * width) / all }));
}

function stretchesOf(records: readonly TrailRecord[], nowSeconds: number) {
  const stretches: Omit<Span, "share" | "isCompressed">[] = [];
  let open: { kind: Span["kind"]; label: string; from: number } | undefined;
  const close = (at: number, latencyMs: number | null) => {
    if (open === undefined) return;
    const { from, ...rest } = open;
    const seconds = open.kind === "call" && latencyMs !== null ? latencyMs / 1000 : Math.max(0, at - from);
    // Between two changes of the same second nobody waited.
    if (open.kind === "call" || seconds > 0) stretches.push({ ...rest, seconds });
    open = undefined;
  };
  for (const { event, at, deployment, reason, latency_ms } of records) {
    if (event === "attempt_started") {
      close(at, null);
      open = { kind: "call", label: deployment ?? "a deployment", from: at };
    } else if (event === "accepted" || event === "waiting") {
      close(at, null);
      // A line of a batch waits from its first record on, which says for what.
      const words =
        event === "accepted" ? (/waiting: (.*)$/.exec(reason ?? "")?.[1] ?? "for a worker") : reason;
      open = { kind: "wait", label: words ?? "waits", from: at };
    } else if (AFTER_CALL.has(event)) {
      close(at, latency_ms);
      if (!ENDS.has(event)) open = { kind: "wait", label: reason ?? "for the next attempt", from: at };
    }
  }
  close(nowSeconds, null);
  return stretches;
}

/** How many calls were begun, as the history has them. */
export function callsOf(records: readonly TrailRecord[]): number {
  return records.filter(({ event }) => event === "attempt_started").length;
}

/** Where a row of the history comes after so long a pause that one should see it, seconds; undefined: at once. */
export function pauseBefore(records: readonly TrailRecord[], index: number): number | undefined {
  const MIN_SECONDS = 2;
  const [before, record] = [records[index - 1], records[index]];
  if (before === undefined || record === undefined) return undefined;
  const seconds = record.at - before.at;
  return seconds >= MIN_SECONDS ? seconds : undefined;
}
