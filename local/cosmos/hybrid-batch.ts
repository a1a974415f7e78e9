import type { Answer } from "./answers.ts";
import { refuseBinaryJson } from "./binary-json.ts";
import { badRequest } from "./cosmos-error.ts";
import { type Row, type RowSchema, rowsIn, streamOf } from "./hybrid-row.ts";

/** An operation of a batch, as the .NET SDK sends it. */
export const OPERATION: RowSchema = {
  id: 2_145_473_648,
  fixed: ["operationType", "resourceType"],
  variable: ["partitionKey", "effectivePartitionKey", "id", "binaryId", "resourceBody"],
  sparse: ["indexingDirective", "ifMatch", "ifNoneMatch", "timeToLiveInSeconds", "minimalReturnPreference"],
};

/** The result of one. */
const RESULT: RowSchema = {
  id: 2_145_473_649,
  fixed: ["statusCode", "subStatusCode"],
  variable: ["eTag", "resourceBody"],
  sparse: ["retryAfterMilliseconds", "requestCharge"],
};

const OPERATION_TYPES: ReadonlyMap<unknown, string> = new Map([
  [0, "Create"],
  [1, "Patch"],
  [2, "Read"],
  [4, "Delete"],
  [5, "Replace"],
  [20, "Upsert"],
]);
const DOCUMENT = 2;

const NOT_SERVED = ["effectivePartitionKey", "binaryId", "timeToLiveInSeconds"];

/** The same batch in JSON, as the JavaScript SDK sends it. @throws CosmosError 400 naming what is not served */
export function jsonBatch(bytes: Buffer): string {
  return `[${rowsIn(bytes, OPERATION).map(jsonOperation).join(",")}]`;
}

function jsonOperation(row: Row): string {
  const operationType = OPERATION_TYPES.get(row.operationType);
  if (operationType === undefined || row.resourceType !== DOCUMENT)
    throw badRequest(`The batch operation ${row.operationType} on ${row.resourceType} is not known.`);
  for (const name of NOT_SERVED)
    if (row[name] !== undefined) throw badRequest(`${name} in a batch is not served by this emulator.`);
  if (String(row.indexingDirective ?? "").toLowerCase() === "exclude")
    throw badRequest("The indexing directive 'exclude' is not served by this emulator.");
  const texts = ["partitionKey", "id", "ifMatch", "ifNoneMatch"]
    .filter((name) => row[name] !== undefined)
    .map((name) => [name, String(row[name])]);
  const minimal = row.minimalReturnPreference === true ? { minimalReturnPreference: true } : {};
  const resourceBody = bodyOf(row.resourceBody as Buffer | undefined);
  return JSON.stringify({ operationType, ...Object.fromEntries(texts), ...minimal, resourceBody });
}

function bodyOf(bytes: Buffer | undefined): unknown {
  if (bytes === undefined) return undefined;
  refuseBinaryJson(bytes);
  try {
    return JSON.parse(bytes.toString());
  } catch {
    throw badRequest("The input content is invalid: an item of the batch is no JSON.");
  }
}

interface JsonResult {
  readonly statusCode: number;
  readonly requestCharge: number;
  readonly eTag?: string;
  readonly resourceBody?: unknown;
}

/** A batch's answer in the form of its question. */
export function inHybridRows(answer: Answer): Answer {
  return { ...answer, body: results(String(answer.body)) };
}

function results(json: string): Buffer {
  const rows = (JSON.parse(json) as JsonResult[]).map(
    ({ statusCode, requestCharge, eTag, resourceBody }) => ({
      statusCode,
      subStatusCode: 0,
      eTag: eTag === undefined ? undefined : Buffer.from(eTag),
      resourceBody: resourceBody === undefined ? undefined : Buffer.from(JSON.stringify(resourceBody)),
      requestCharge: { type: "float64" as const, value: requestCharge },
    }),
  );
  return streamOf(rows, RESULT);
}
