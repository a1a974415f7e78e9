import type { IncomingHttpHeaders } from "node:http";
import type { ContainerView } from "./container-view.ts";
import { keyOfHeader, keyText } from "./partition-key.ts";

export interface ChangePage {
  readonly text: string;
  readonly count: number;
  readonly etag: string;
  /** False for a plain read of the whole feed of items. */
  readonly incremental: boolean;
}

const DEFAULT_PAGE_ITEMS = 100;

/**
 * The latest version of each item in the order of its last write, from the beginning, from now (`*`), after a
 * continuation (`"lsn"`) or after a time; without `a-im` the plain feed of items.
 */
export function changeFeed(container: ContainerView, headers: IncomingHttpHeaders): ChangePage {
  const incremental = String(headers["a-im"] ?? "").toLowerCase() === "incremental feed";
  const from = incremental ? startOf(container, headers) : { where: "TRUE", values: [] };
  const key = keyOfHeader(headers["x-ms-documentdb-partitionkey"] as string | undefined);
  const where = key === undefined ? from.where : `${from.where} AND pk = ?`;
  const values = key === undefined ? from.values : [...from.values, keyText(key)];
  const asked = Number(headers["x-ms-max-item-count"] ?? -1);
  const most = asked > 0 ? asked : DEFAULT_PAGE_ITEMS;
  const wanted = key === undefined ? undefined : keyText(key);
  const found = container.select({
    ...{ where, order: `ORDER BY lsn LIMIT ${most}`, values },
    covers: (of, item) => (wanted === undefined || of === wanted) && item.lsn > (from.lsn ?? 0),
  });
  const items = [...found].sort((a, b) => a.lsn - b.lsn).slice(0, most);
  const last = items.at(-1)?.lsn ?? from.lsn ?? container.lsn;
  const documents = items.map((item) => `${item.text.slice(0, -1)},"_lsn":${item.lsn}}`);
  return {
    text: `{"_rid":"${container.rid}","Documents":[${documents.join(",")}],"_count":${items.length}}`,
    count: items.length,
    etag: `"${last}"`,
    incremental,
  };
}

function startOf(
  container: ContainerView,
  headers: IncomingHttpHeaders,
): { where: string; values: (string | number)[]; lsn?: number } {
  const after = String(headers["if-none-match"] ?? "");
  if (after === "*") return { where: "lsn > ?", values: [container.lsn], lsn: container.lsn };
  const lsn = /^"?(\d+)"?$/.exec(after)?.[1];
  if (lsn !== undefined) return { where: "lsn > ?", values: [Number(lsn)], lsn: Number(lsn) };
  const since = Date.parse(String(headers["if-modified-since"] ?? ""));
  if (Number.isNaN(since)) return { where: "TRUE", values: [] };
  return { where: "json_extract(body, '$._ts') >= ?", values: [Math.floor(since / 1000)] };
}
