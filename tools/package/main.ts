import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { zipSync } from "fflate";
import { packageContents } from "./contents.ts";

/**
 * `npm run package`: dist/switchyard-VERSION.zip, the app as it is deployed. The same sources give the same bytes.
 */
const root = path.resolve(import.meta.dirname, "../..");
const { version } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const contents = packageContents(root);
/** ZIP knows no earlier day. */
const mtime = new Date(1980, 0, 1);
const zip = zipSync(Object.fromEntries(contents), { level: 9, mtime });
const file = path.join(root, "dist", `switchyard-${version}.zip`);
writeFileSync(file, zip);
const bytes = [...contents.values()].reduce((sum, each) => sum + each.byteLength, 0);
const mb = (count: number) => (count / 1e6).toFixed(1);
console.log(
  `${path.relative(root, file)}: ${contents.size} files, ${mb(bytes)} MB, ${mb(zip.byteLength)} MB zipped`,
);
