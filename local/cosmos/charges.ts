/**
 * Request units as Azure documents them («Understand request units consumption», April 2026), where they are called
 * illustrative: the service's own figures are not published as a formula, and none was compared here.
 */
const KB = 1024;

/**
 * KB of an item, RU of a read and of a write; in between, a straight line. Another page has about 10 RU for a read of
 * 100 KB and 50 for its write, which the table has for 128: so from 100 on.
 */
const TABLE: readonly (readonly [kilobytes: number, read: number, write: number])[] = [
  [1, 1.0, 4.95],
  [2, 1.04, 6.29],
  [4, 1.14, 6.67],
  [8, 1.33, 7.04],
  [16, 1.67, 9.52],
  [32, 2.19, 11.23],
  [64, 4.76, 22.67],
  [100, 9.95, 48.19],
  [128, 9.95, 48.19],
  [256, 20.28, 98.29],
  [512, 40.95, 184.57],
  [1_024, 145.9, 625],
  [2_048, 291.8, 1_250],
];
const READ = 1;
const WRITE = 2;

/** The price of each term that is added to an index or removed from it. */
const TERM_RU = 0.2;
/** The price of each property that a patch changes, on top of what a replace would cost. */
const PATCHED_RU = 0.4;
/** Not documented: what a query costs that finds nothing, and each item it looks at. */
const QUERY_BASE_RU = 2.3;
const QUERY_RU_PER_ITEM = 0.1;
/** The price of a feed page that has nothing new. */
const EMPTY_RU = 1;

/** What the price of an item's write depends on: its size as it is stored, and its terms in the indexes, as hashes. */
export interface Weight {
  readonly bytes: number;
  readonly terms: Int32Array;
}

/** What an operation on an item did. */
export type Work =
  | { readonly kind: "read"; readonly text: string }
  | {
      readonly kind: "write";
      readonly removed?: Weight;
      readonly inserted?: Weight;
      /** Operations of a patch. */
      readonly patched?: number;
    };

export interface Prices {
  /** The price of a point read or a write. */
  of(work: Work): number;
  /** The price of a feed page: that of reading its items one by one. */
  feed(texts: readonly string[]): number;
  query(looked: number, answer: string): number;
}

/** Reads under strong consistency and bounded staleness cost twice as much. */
export function pricesFor(consistency: string): Prices {
  const reads = consistency === "Strong" || consistency === "BoundedStaleness" ? 2 : 1;
  const read = (text: string) => bySize(Buffer.byteLength(text), READ) * reads;
  return {
    of: (work) => (work.kind === "read" ? read(work.text) : writePrice(work)),
    feed: (texts) =>
      texts.length === 0 ? EMPTY_RU * reads : texts.reduce((sum, text) => sum + read(text), 0),
    query: (looked, answer) =>
      (QUERY_BASE_RU + looked * QUERY_RU_PER_ITEM + bySize(Buffer.byteLength(answer), READ) - 1) * reads,
  };
}

function writePrice({ removed, inserted, patched = 0 }: Extract<Work, { kind: "write" }>): number {
  let price = patched * PATCHED_RU + changedTerms(removed?.terms, inserted?.terms) * TERM_RU;
  for (const weight of [removed, inserted]) if (weight !== undefined) price += bySize(weight.bytes, WRITE);
  return price;
}

/** How many terms are on one side alone. */
function changedTerms(before: Int32Array = NONE, after: Int32Array = NONE): number {
  const left = new Set(before);
  let added = 0;
  for (const term of after) if (!left.delete(term)) added++;
  return left.size + added;
}

const NONE = new Int32Array();

function bySize(bytes: number, column: typeof READ | typeof WRITE): number {
  const kilobytes = bytes / KB;
  const at = TABLE.findIndex(([row]) => kilobytes <= row);
  // Past the last row, which only a feed or a query is, the line goes on.
  const to = TABLE[at < 0 ? TABLE.length - 1 : at] as (typeof TABLE)[number];
  if (at === 0) return to[column];
  const from = TABLE[(at < 0 ? TABLE.length - 1 : at) - 1] as (typeof TABLE)[number];
  const slope = (to[column] - from[column]) / (to[0] - from[0]);
  return from[column] + (kilobytes - from[0]) * slope;
}
