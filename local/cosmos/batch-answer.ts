import { REFUSAL_RU } from "./answers.ts";
import type { BatchResult, OperationResult } from "./batch.ts";
import type { Prices } from "./charges.ts";

/** An operation that others kept from being tried costs nothing; one that failed costs what a refusal does. */
function operationCharge({ statusCode, work }: OperationResult, prices: Prices): number {
  if (work !== undefined) return prices.of(work);
  return statusCode === FAILED_DEPENDENCY ? 0 : REFUSAL_RU;
}

const FAILED_DEPENDENCY = 424;

export function batchCharge(result: BatchResult, prices: Prices): number {
  return result.results.reduce((sum, each) => sum + operationCharge(each, prices), 0);
}

/** The items' texts are put in as they are stored. */
export function batchText(result: BatchResult, prices: Prices, minimal: boolean): string {
  const parts = result.results.map((each) => {
    const { statusCode, item, operation } = each;
    const charge = operationCharge(each, prices).toFixed(2);
    const head = `{"statusCode":${statusCode},"requestCharge":${charge}`;
    if (item === undefined) return `${head}}`;
    const withoutBody =
      (minimal || operation.minimalReturnPreference === true) && operation.operationType !== "Read";
    const body = withoutBody ? "" : `,"resourceBody":${item.text}`;
    return `${head},"eTag":${JSON.stringify(item.etag)}${body}}`;
  });
  return `[${parts.join(",")}]`;
}
