import { hash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { ContainerView } from "./container-view.ts";
import { badRequest } from "./cosmos-error.ts";
import { scopeOf } from "./key-scope.ts";
import type { Position } from "./query/order.ts";
import type { Row } from "./query/prepare.ts";
import { type QueryRequest, RunningQuery } from "./query/run-query.ts";
import { header } from "./request.ts";

export interface QueryPage {
  readonly text: string;
  readonly count: number;
  /** Items that were looked at, and their size. */
  readonly looked: number;
  readonly lookedChars: number;
  readonly continuation: string | undefined;
}

const DEFAULT_PAGE_ITEMS = 100;
/** A page is at most 4 MB, as in the service. */
const MAX_PAGE_CHARS = 4 * 1024 * 1024;

/**
 * One page of a query. The continuation says where it goes on: it needs no memory here, so it survives a restart.
 * Queries whose rows come of one item each go on behind the last one, whatever is written meanwhile; the others
 * (an ordered DISTINCT) count rows. What has no pages comes whole. As in the service, a page that is full does not
 * know whether it is the last.
 */
export function queryPage(
  container: ContainerView,
  body: Record<string, unknown>,
  headers: IncomingHttpHeaders,
): QueryPage {
  const request = body as unknown as QueryRequest;
  const scope = scopeOf(container, headers);
  const query = new RunningQuery(container, request, scope);
  const mark = hash("sha1", JSON.stringify([container.rid, request.query, request.parameters, scope])).slice(
    0,
    8,
  );
  const token = readToken(header(headers, "x-ms-continuation"), mark);
  const asked = Number(header(headers, "x-ms-max-item-count") ?? -1);
  const most = asked > 0 ? asked : DEFAULT_PAGE_ITEMS;
  const after = query.keepsItems ? token : undefined;
  const { keepsItems } = query;
  const { texts, next } = query.rows(after, (rows) => {
    if (!query.hasPages)
      return { texts: Array.from(rows, ({ value }) => JSON.stringify(value)), next: undefined };
    const filled = fill(rows, most, token, keepsItems);
    return (filled.next?.total ?? 0) < query.most ? filled : { ...filled, next: undefined };
  });
  return {
    text: `{"_rid":"${container.rid}","Documents":[${texts.join(",")}],"_count":${texts.length}}`,
    count: texts.length,
    looked: query.looked,
    lookedChars: query.lookedChars,
    continuation: next === undefined ? undefined : writeToken(next, mark),
  };
}

function fill(rows: Iterable<Row>, most: number, token: Position | undefined, keepsItems: boolean) {
  const texts: string[] = [];
  let [chars, passed] = [0, 0];
  let at: Position = token ?? { born: -1, keys: [], rows: 0, total: 0 };
  for (const { value, born, keys } of rows) {
    if (!keepsItems && passed++ < (token?.total ?? 0)) continue;
    const text = JSON.stringify(value);
    chars += text.length;
    if (chars > MAX_PAGE_CHARS && texts.length > 0) return { texts, next: at };
    texts.push(text);
    at = { born, keys, rows: at.born === born ? at.rows + 1 : 1, total: at.total + 1 };
    if (texts.length >= most) return { texts, next: at };
  }
  return { texts, next: undefined };
}

/** A key may be undefined, which JSON has no word for: it is left out of its list of one. */
function writeToken(position: Position, mark: string): string {
  const keys = position.keys.map((key) => (key === undefined ? [] : [key]));
  return Buffer.from(JSON.stringify([mark, position.born, position.rows, position.total, keys])).toString(
    "base64url",
  );
}

/** @throws CosmosError 400 for a token that is not of this query */
function readToken(text: string | undefined, mark: string): Position | undefined {
  if (text === undefined || text === "") return undefined;
  try {
    const [of, born, rows, total, keys] = JSON.parse(String(Buffer.from(text, "base64url")));
    if (of === mark && [born, rows, total].every(Number.isInteger)) {
      return { born, rows, total, keys: (keys as unknown[][]).map(([key]) => key) };
    }
  } catch {
    // no token of ours: said below
  }
  throw badRequest("Invalid Continuation Token: it is not one of this query.");
}
