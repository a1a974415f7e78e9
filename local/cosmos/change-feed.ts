import type { IncomingHttpHeaders } from "node:http";
import type { ContainerView, StoredItem } from "./container-view.ts";
import { badRequest } from "./cosmos-error.ts";
import { scopeOf } from "./key-scope.ts";
import { header } from "./request.ts";

export interface FeedPage {
  readonly text: string;
  readonly count: number;
  /** Its items. */
  readonly texts: readonly string[];
  /** Where the change feed goes on; undefined for a plain read. */
  readonly etag: string | undefined;
  /** Where a plain read goes on; undefined at its end. */
  readonly continuation: string | undefined;
}

const DEFAULT_PAGE_ITEMS = 100;
/** A page is at most 4 MB, as in the service. */
const MAX_PAGE_CHARS = 4 * 1024 * 1024;

/** Items of a container as they stand, or their changes. @throws CosmosError 400 for a feed it does not serve */
export function feedPage(container: ContainerView, headers: IncomingHttpHeaders): FeedPage {
  const mode = header(headers, "a-im")?.toLowerCase();
  if (mode === undefined) return plainFeed(container, headers);
  if (mode !== "incremental feed")
    throw badRequest(`The change feed mode '${mode}' is not served by this emulator: the latest version is.`);
  return changeFeed(container, headers);
}

/** The items that fit a page, and whether there may be more: a full page does not know. */
function fill(items: Iterable<StoredItem>, headers: IncomingHttpHeaders) {
  const asked = Number(header(headers, "x-ms-max-item-count") ?? -1);
  const most = asked > 0 ? asked : DEFAULT_PAGE_ITEMS;
  const found: StoredItem[] = [];
  let chars = 0;
  for (const item of items) {
    chars += item.text.length;
    if (chars > MAX_PAGE_CHARS && found.length > 0) return { found, more: true };
    found.push(item);
    if (found.length >= most) return { found, more: true };
  }
  return { found, more: false };
}

function page(container: ContainerView, texts: readonly string[]) {
  const text = `{"_rid":"${container.rid}","Documents":[${texts.join(",")}],"_count":${texts.length}}`;
  return { text, texts, count: texts.length };
}

function plainFeed(container: ContainerView, headers: IncomingHttpHeaders): FeedPage {
  const token = header(headers, "x-ms-continuation") ?? "";
  const after = /^(?:items:(\d+))?$/.exec(token);
  if (after === null) throw badRequest("Invalid Continuation Token: it is not one of this feed.");
  const fromBorn = Number(after[1] ?? -1) + 1;
  const items = container.select({ ...scopeOf(container, headers), order: "born", fromBorn });
  const { found, more } = fill(items, headers);
  const texts = found.map((item) => item.text);
  const continuation = more ? `items:${found.at(-1)?.born}` : undefined;
  return { ...page(container, texts), etag: undefined, continuation };
}

/**
 * The latest version of each item in the order of its last write: from the beginning, from now (`*`), after a
 * continuation (`"lsn"`), or from a time on.
 */
function changeFeed(container: ContainerView, headers: IncomingHttpHeaders): FeedPage {
  const { afterLsn, sinceSeconds } = startOf(container, headers);
  const changes = container.select({ ...scopeOf(container, headers), order: "lsn", afterLsn });
  const { found } = fill(sinceSeconds === undefined ? changes : writtenSince(changes, sinceSeconds), headers);
  const texts = found.map((item) => `${item.text.slice(0, -1)},"_lsn":${item.lsn}}`);
  const end = sinceSeconds === undefined ? afterLsn : container.lsn;
  return { ...page(container, texts), etag: `"${found.at(-1)?.lsn ?? end}"`, continuation: undefined };
}

function* writtenSince(items: Iterable<StoredItem>, seconds: number): Generator<StoredItem> {
  for (const item of items) {
    const { _ts } = JSON.parse(item.text) as { _ts: number };
    if (_ts >= seconds) yield item;
  }
}

function startOf(
  container: ContainerView,
  headers: IncomingHttpHeaders,
): { afterLsn: number; sinceSeconds?: number } {
  const after = header(headers, "if-none-match") ?? "";
  if (after === "*") return { afterLsn: container.lsn };
  const lsn = /^"?(\d+)"?$/.exec(after)?.[1];
  if (lsn !== undefined) return { afterLsn: Number(lsn) };
  if (after !== "") throw badRequest("The continuation of the change feed is not one of this emulator.");
  const since = header(headers, "if-modified-since");
  if (since === undefined) return { afterLsn: 0 };
  const time = Date.parse(since);
  if (Number.isNaN(time)) throw badRequest("If-Modified-Since is no time.");
  return { afterLsn: 0, sinceSeconds: Math.floor(time / 1000) };
}
