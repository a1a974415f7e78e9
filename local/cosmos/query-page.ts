import type { IncomingHttpHeaders } from "node:http";
import type { ContainerView } from "./container-view.ts";
import { badRequest } from "./cosmos-error.ts";
import { keyOfHeader, keyText } from "./partition-key.ts";
import { type QueryRequest, runQuery } from "./query/run-query.ts";

export interface QueryPage {
  readonly text: string;
  readonly count: number;
  readonly looked: number;
  readonly continuation: string | undefined;
}

const DEFAULT_PAGE_ITEMS = 100;
const MAX_PAGE_ITEMS = 1_000;
/** As the service: a page is at most 4 MB. */
const MAX_PAGE_CHARS = 4 * 1024 * 1024;

/**
 * One page of a query. The continuation is how many rows came before: it needs no memory here, so it survives a
 * restart; rows written meanwhile may be seen twice or not at all, as Azure allows too.
 */
export function queryPage(
  container: ContainerView,
  request: Record<string, unknown>,
  headers: IncomingHttpHeaders,
): QueryPage {
  const header = (name: string) => (headers[name] === undefined ? undefined : String(headers[name]));
  const key = keyOfHeader(header("x-ms-documentdb-partitionkey"));
  const partition =
    key === undefined || key.length === 0
      ? undefined
      : { key: keyText(key), whole: key.length === container.paths.length };
  const skipped = continuationOf(header("x-ms-continuation"));
  const { rows, looked } = runQuery(container, request as unknown as QueryRequest, partition);
  const wanted = Number(header("x-ms-max-item-count") ?? -1);
  const most = wanted > 0 ? Math.min(wanted, MAX_PAGE_ITEMS) : DEFAULT_PAGE_ITEMS;
  const texts: string[] = [];
  let chars = 0;
  for (const row of rows.slice(skipped, skipped + most)) {
    const text = JSON.stringify(row);
    chars += text.length;
    if (chars > MAX_PAGE_CHARS && texts.length > 0) break;
    texts.push(text);
  }
  const next = skipped + texts.length;
  return {
    text: `{"_rid":"${container.rid}","Documents":[${texts.join(",")}],"_count":${texts.length}}`,
    count: texts.length,
    looked,
    continuation: next < rows.length ? `rows:${next}` : undefined,
  };
}

function continuationOf(token: string | undefined): number {
  if (token === undefined || token === "") return 0;
  const rows = /^rows:(\d+)$/.exec(token)?.[1];
  if (rows === undefined) throw badRequest("The continuation token is not valid.");
  return Number(rows);
}
