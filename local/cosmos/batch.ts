import type { Work } from "./charges.ts";
import type { ContainerStore } from "./container-store.ts";
import type { ContainerView } from "./container-view.ts";
import { badRequest, CosmosError, tooLarge } from "./cosmos-error.ts";
import { MAX_ITEM_BYTES } from "./item-limits.ts";
import {
  createItem,
  deleteItem,
  type ItemResult,
  patchItem,
  readItem,
  replaceItem,
  upsertItem,
} from "./items.ts";
import { type KeyPart, keyOfHeader, keyText } from "./partition-key.ts";

export const MAX_BATCH_OPERATIONS = 100;
const MAX_BATCH_BYTES = MAX_ITEM_BYTES;

export interface BatchOperation {
  readonly operationType: string;
  readonly id?: string;
  readonly ifMatch?: string;
  readonly ifNoneMatch?: string;
  readonly resourceBody?: unknown;
  readonly partitionKey?: string;
  /** What it wrote is not wanted back. */
  readonly minimalReturnPreference?: boolean;
}

export interface BatchResult {
  readonly status: number;
  readonly results: readonly OperationResult[];
}

export interface OperationResult {
  readonly statusCode: number;
  readonly item?: ItemResult["item"];
  readonly operation: BatchOperation;
  /** Undefined where nothing was done; what was undone again was done. */
  readonly work?: Work;
}

/** Undoes part of the open transaction: what a batch wrote before it failed. */
export interface BatchTransaction {
  begin(container: ContainerStore): void;
  commit(container: ContainerStore): void;
  rollBack(container: ContainerStore): void;
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
  if (Buffer.byteLength(text) > MAX_BATCH_BYTES) throw tooLarge("A batch is at most 2 MB");
  const operations = operationsIn(text);
  if (!Array.isArray(operations) || operations.length === 0)
    throw badRequest("A batch needs at least one operation.");
  if (operations.length > MAX_BATCH_OPERATIONS)
    throw badRequest(`Batch request has more operations than what is supported (${MAX_BATCH_OPERATIONS}).`);
  return operations as BatchOperation[];
}

/** @throws CosmosError 400 for an operation that names another partition than the batch */
function parseAtomic(text: string, key: readonly KeyPart[] | undefined): BatchOperation[] {
  const operations = parseOperations(text);
  for (const { partitionKey } of operations) {
    const own = partitionKey === undefined ? undefined : keyOfHeader(partitionKey);
    if (own !== undefined && key !== undefined && keyText(own) !== keyText(key)) {
      throw badRequest(
        "One or more operations within the batch request have a different partition key value than the request.",
      );
    }
  }
  return operations;
}

/** All of it or nothing: `transaction` undoes what was written so far. */
export function transactionalBatch(
  container: ContainerStore,
  key: readonly KeyPart[] | undefined,
  text: string,
  transaction: BatchTransaction,
): BatchResult {
  const operations = parseAtomic(text, key);
  const results: OperationResult[] = [];
  transaction.begin(container);
  try {
    for (const operation of operations) {
      const result = attempt(container, key, operation);
      results.push(result);
      if (result.statusCode >= 400) {
        transaction.rollBack(container);
        return { status: 207, results: operations.map((each, at) => outcome(each, at, results)) };
      }
    }
  } catch (thrown) {
    transaction.rollBack(container);
    throw thrown;
  }
  transaction.commit(container);
  return { status: 200, results };
}

/** A batch of reads alone: nothing to undo, and a stale view will do. @throws CosmosError */
export function readBatch(
  view: ContainerView,
  key: readonly KeyPart[] | undefined,
  text: string,
): BatchResult {
  const operations = parseAtomic(text, key);
  const results = operations.map((each) => attemptRead(view, key, each));
  const failed = results.findIndex((result) => result.statusCode >= 400);
  if (failed < 0) return { status: 200, results };
  return {
    status: 207,
    results: operations.map((each, at) => outcome(each, at, results.slice(0, failed + 1))),
  };
}

/** Whether a batch only reads. */
export function onlyReads(text: string): boolean {
  return !/"operationType"\s*:\s*"(?!Read")/.test(text);
}

function outcome(
  operation: BatchOperation,
  at: number,
  results: readonly OperationResult[],
): OperationResult {
  const own = results[at];
  if (own !== undefined && own.statusCode >= 400) return own;
  const work = own?.work === undefined ? {} : { work: own.work };
  return { statusCode: FAILED_DEPENDENCY, operation, ...work };
}

/** Each operation alone, with the key it names. Those after a failure run only if it `goesOn`. */
export function bulk(container: ContainerStore, text: string, goesOn: boolean): BatchResult {
  const results: OperationResult[] = [];
  let failed = false;
  for (const each of parseOperations(text)) {
    const skipped: boolean = failed && !goesOn;
    const result: OperationResult = skipped
      ? { statusCode: FAILED_DEPENDENCY, operation: each }
      : attempt(container, keyOfHeader(each.partitionKey), each);
    failed ||= result.statusCode >= 400;
    results.push(result);
  }
  return { status: failed ? 207 : 200, results };
}

function attemptRead(
  view: ContainerView,
  key: readonly KeyPart[] | undefined,
  operation: BatchOperation,
): OperationResult {
  const { operationType, id = "" } = operation;
  if (operationType !== "Read") throw badRequest(`The batch operation ${operationType} is not known.`);
  return outcomeOf(operation, () => readItem(view, key, id, operation));
}

function attempt(
  container: ContainerStore,
  key: readonly KeyPart[] | undefined,
  operation: BatchOperation,
): OperationResult {
  return outcomeOf(operation, () => run(container, key, operation));
}

function outcomeOf(operation: BatchOperation, run: () => ItemResult): OperationResult {
  try {
    const { status, item, work } = run();
    return { statusCode: status, operation, work, ...(item === undefined ? {} : { item }) };
  } catch (thrown) {
    if (thrown instanceof CosmosError) return { statusCode: thrown.status, operation };
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
