import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";

/** `npm run bench [-- NAME]`: all benchmarks one after the other, or one. */
const NOT_BENCHMARKS = new Set(["main", "measure", "cosmos-server"]);
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => path.basename(file, ".ts"))
  .filter((name) => !NOT_BENCHMARKS.has(name));

const [wanted] = process.argv.slice(2);
if (wanted === "--help" || (wanted !== undefined && !names.includes(wanted))) {
  console.log(`Usage: npm run bench [-- NAME]\n\nNames: ${names.join(", ")}`);
  process.exit(wanted === "--help" ? 0 : 1);
}
for (const name of wanted === undefined ? names : [wanted]) {
  console.log(`\n## ${name}\n`);
  const { status } = spawnSync(process.execPath, [path.join(import.meta.dirname, `${name}.ts`)], {
    stdio: "inherit",
  });
  if (status !== 0) process.exit(status ?? 1);
}
