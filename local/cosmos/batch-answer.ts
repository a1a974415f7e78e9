import type { BatchResult } from "./batch.ts";
import type { Prices } from "./charges.ts";
import type { StoredItem } from "./container-view.ts";

function operationCharge(operationType: string, item: StoredItem | undefined, prices: Prices): number {
  if (operationType === "Read") return prices.read(item?.text.length);
  return prices.write(item?.text.length ?? 0, operationType === "Replace" || operationType === "Patch");
}

export function batchCharge(result: BatchResult, prices: Prices): number {
  return result.results.reduce(
    (sum, each) => sum + operationCharge(each.operationType, each.item, prices),
    0,
  );
}

/** The items' texts are put in as they are stored. */
export function batchText(result: BatchResult, prices: Prices, minimal: boolean): string {
  const parts = result.results.map(({ statusCode, item, operationType }) => {
    const charge = operationCharge(operationType, item, prices).toFixed(2);
    const head = `{"statusCode":${statusCode},"requestCharge":${charge}`;
    if (item === undefined) return `${head}}`;
    const body = minimal && operationType !== "Read" ? "" : `,"resourceBody":${item.text}`;
    return `${head},"eTag":${JSON.stringify(item.etag)}${body}}`;
  });
  return `[${parts.join(",")}]`;
}
