/**
 * Request units by the documented prices: a point read of 1 KB is 1 RU, an insert of 1 KB without indexes about
 * 5.5 RU, a replace twice that, a query the items it looks at. An estimate: the service's own figures vary with the
 * index policy and are not published as a formula. Reads under strong consistency cost twice as much.
 */
const KB = 1024;
const WRITE_RU_PER_KB = 5.5;
const INDEXED_WRITE_RU = 0.5;
const QUERY_BASE_RU = 2.3;
const QUERY_RU_PER_ITEM = 0.1;
const MISS_RU = 1;

const kilobytes = (bytes: number) => Math.max(1, Math.ceil(bytes / KB));

export interface Prices {
  read(bytes: number | undefined): number;
  write(bytes: number, replaces: boolean): number;
  query(looked: number, answerBytes: number): number;
}

export function pricesFor(consistency: string): Prices {
  const reads = consistency === "Strong" || consistency === "BoundedStaleness" ? 2 : 1;
  return {
    read: (bytes) => (bytes === undefined ? MISS_RU : kilobytes(bytes)) * reads,
    write: (bytes, replaces) => (kilobytes(bytes) * WRITE_RU_PER_KB + INDEXED_WRITE_RU) * (replaces ? 2 : 1),
    query: (looked, answerBytes) =>
      (QUERY_BASE_RU + looked * QUERY_RU_PER_ITEM + (kilobytes(answerBytes) - 1)) * reads,
  };
}
