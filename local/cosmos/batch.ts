import type { ContainerStore } from "./container-store.ts";
import { badRequest, CosmosError } from "./cosmos-error.ts";
import {
  createItem,
  deleteItem,
  type ItemResult,
  MAX_ITEM_BYTES,
  patchItem,
  readItem,
  replaceItem,
  upsertItem,
} from "./items.ts";
import { type KeyPart, keyOfHeader } from "./partition-key.ts";

export const MAX_BATCH_OPERATIONS = 100;
const MAX_BATCH_BYTES = MAX_ITEM_BYTES;

interface BatchOperation {
  readonly operationType: string;
  readonly id?: string;
  readonly ifMatch?: string;
  readonly ifNoneMatch?: string;
  readonly resourceBody?: unknown;
  readonly partitionKey?: string;
}

export interface BatchResult {
  readonly status: number;
  readonly results: readonly OperationResult[];
}

export interface OperationResult {
  readonly statusCode: number;
  readonly item?: ItemResult["item"];
  readonly operationType: string;
}

const FAILED_DEPENDENCY = 424;

function operationsIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw badRequest("The input content is invalid: it is no JSON.");
  }
}

function parseOperations(text: string): BatchOperation[] {
  if (Buffer.byteLength(text) > MAX_BATCH_BYTES)
    throw new CosmosError(413, "Request size is too large: a batch is at most 2 MB.");
  const operations = operationsIn(text);
  if (!Array.isArray(operations) || operations.length === 0)
    throw badRequest("A batch needs at least one operation.");
  if (operations.length > MAX_BATCH_OPERATIONS)
    throw badRequest(`Batch request has more operations than what is supported (${MAX_BATCH_OPERATIONS}).`);
  return operations as BatchOperation[];
}

/** All of it or nothing: `rollBack` undoes what was written so far. */
export function transactionalBatch(
  container: ContainerStore,
  key: readonly KeyPart[] | undefined,
  text: string,
  transaction: { begin(): void; commit(): void; rollBack(): void },
): BatchResult {
  const operations = parseOperations(text);
  const results: OperationResult[] = [];
  const reads = operations.every((operation) => operation.operationType === "Read");
  if (!reads) transaction.begin();
  for (const operation of operations) {
    const result = attempt(container, key, operation);
    results.push(result);
    if (result.statusCode < 400) continue;
    if (!reads) transaction.rollBack();
    return { status: 207, results: operations.map((each, at) => outcome(each, at, results)) };
  }
  if (!reads) transaction.commit();
  return { status: 200, results };
}

function outcome(
  operation: BatchOperation,
  at: number,
  results: readonly OperationResult[],
): OperationResult {
  const own = results[at];
  if (own !== undefined && own.statusCode >= 400) return own;
  return { statusCode: FAILED_DEPENDENCY, operationType: operation.operationType };
}

/** Each operation by itself, with the key it names. */
export function bulk(container: ContainerStore, text: string): BatchResult {
  const operations = parseOperations(text);
  const results = operations.map((each) => attempt(container, keyOfHeader(each.partitionKey), each));
  return { status: results.some((result) => result.statusCode >= 400) ? 207 : 200, results };
}

function attempt(
  container: ContainerStore,
  key: readonly KeyPart[] | undefined,
  operation: BatchOperation,
): OperationResult {
  const { operationType } = operation;
  try {
    const { status, item } = run(container, key, operation);
    return { statusCode: status, operationType, ...(item === undefined ? {} : { item }) };
  } catch (thrown) {
    if (thrown instanceof CosmosError) return { statusCode: thrown.status, operationType };
    throw thrown;
  }
}

function run(
  container: ContainerStore,
  key: readonly KeyPart[] | undefined,
  operation: BatchOperation,
): ItemResult {
  const { operationType, id = "", resourceBody } = operation;
  const sent = { value: resourceBody };
  switch (operationType) {
    case "Create":
      return createItem(container, key, sent);
    case "Upsert":
      return upsertItem(container, key, sent, operation);
    case "Replace":
      return replaceItem(container, key, id, sent, operation);
    case "Read":
      return readItem(container, key, id, operation);
    case "Delete":
      return deleteItem(container, key, id, operation);
    case "Patch":
      return patchItem(container, key, id, resourceBody, operation);
    default:
      throw badRequest(`The batch operation ${operationType} is not known.`);
  }
}
