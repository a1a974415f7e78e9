import type { Container, OperationInput, OperationResponse } from "@azure/cosmos";
import { StoreUnavailable } from "../../store.ts";
import { statusOf, storeOperation } from "./client.ts";

/** How a transactional batch ended: all of it was done, or none of it, for the reason in `status`. */
export type TransactionResult =
  | { readonly kind: "done"; readonly responses: readonly OperationResponse[] }
  /** `at`: which of the operations was refused, from 0; undefined where the answer does not say. */
  | { readonly kind: "refused"; readonly status: number; readonly at: number | undefined };

/**
 * One transactional batch in one logical partition.
 * @param contents whether the items come back: what was written need not, what is only read must
 * @throws StoreUnavailable when it may or may not have been applied
 */
export function transaction(
  what: string,
  container: Container,
  partitionKey: string | string[],
  operations: OperationInput[],
  contents: boolean,
): Promise<TransactionResult> {
  return storeOperation(what, async (abortSignal) => {
    try {
      const response = await container.items.batch(operations, partitionKey, {
        abortSignal,
        contentResponseOnWriteEnabled: contents,
      });
      const responses = response.result ?? [];
      const at = responses.findIndex((r) => r.statusCode >= 400 && r.statusCode !== 424);
      const refused = responses[at];
      return refused === undefined
        ? { kind: "done", responses }
        : { kind: "refused", status: refused.statusCode, at };
    } catch (thrown) {
      const status = statusOf(thrown);
      if (status === 409 || status === 412 || status === 404)
        return { kind: "refused", status, at: undefined };
      throw thrown;
    }
  });
}

/** A newer version exists: the item to replace has moved on or is gone, or the item to create exists already. */
export function isSuperseded(status: number): boolean {
  return status === 412 || status === 409 || status === 404;
}

/** 408, 429, 449 and 5xx inside a batch: the cloud is busy, nothing was written. */
export function unexpected(what: string, status: number): Error {
  const message = `${what}: a batch operation was answered ${status}`;
  return status === 400 || status === 413 ? new Error(message) : new StoreUnavailable(message);
}

export function etagOf(response: OperationResponse | undefined): string {
  const etag = response?.eTag;
  if (etag === undefined) throw new TypeError("Cosmos DB answered a write without an etag");
  return etag;
}

type ItemBody = Extract<OperationInput, { operationType: "Create" }>["resourceBody"];
export const itemBody = (item: object): ItemBody => item as unknown as ItemBody;
export const createOf = (item: object): OperationInput => ({
  operationType: "Create",
  resourceBody: itemBody(item),
});
