import { createHash } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";

/** A file of the console, as it is sent. */
export interface SiteFile {
  /** Compressed by gzip. */
  readonly gzip: Uint8Array;
  /** For the rare client that does not take that. */
  readonly plain: () => Uint8Array;
  readonly type: string;
  readonly etag: string;
}

/** The console's files by their path below `/console/`; `index.html` is the page. */
export type Site = ReadonlyMap<string, SiteFile>;

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** What tools/build has written. @param folder dist/console; an empty site where it is not there */
export function readSite(folder: string): Site {
  return new Map(
    globSync("**/*.gz", { cwd: folder }).map((file): [string, SiteFile] => {
      const name = file.slice(0, -".gz".length).split(path.sep).join("/");
      const gzip = readFileSync(path.join(folder, file));
      const hash = createHash("sha256").update(gzip).digest("hex");
      const type = TYPES[path.extname(name)] ?? "application/octet-stream";
      return [name, { gzip, plain: () => gunzipSync(gzip), type, etag: `"${hash.slice(0, 32)}"` }];
    }),
  );
}
