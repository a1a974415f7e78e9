import { OPERATORS, type Operation, type OperationStore } from "../../operation/operation.ts";
import { ITEMS, operationPlace } from "./items.ts";
import { ownFields, type StoredItems } from "./stored-items.ts";

/** Beside the jobs, where what has a turn of its own is found by when that comes. */
export class CosmosOperations implements OperationStore {
  readonly #jobs: StoredItems;

  constructor(jobs: StoredItems) {
    this.#jobs = jobs;
  }

  create(operation: Operation): ReturnType<OperationStore["create"]> {
    return this.#jobs.write(ITEMS.operation, operationPlace(operation), operation, undefined);
  }

  async read(id: string): ReturnType<OperationStore["read"]> {
    const found = await this.#jobs.read(ITEMS.operation, operationPlace({ job_id: id }));
    return found && { value: ownFields(found.value) as unknown as Operation, etag: found.etag };
  }

  list(limit: number): ReturnType<OperationStore["list"]> {
    const query = { top: limit, where: "c.created_at_ms >= 0", orderBy: "c.created_at_ms DESC" };
    return this.#jobs.find(ITEMS.operation, query, ITEMS.operation.document, { partition: [OPERATORS] });
  }

  write(operation: Operation, etag: string): ReturnType<OperationStore["write"]> {
    return this.#jobs.write(ITEMS.operation, operationPlace(operation), operation, etag);
  }
}
