import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, it } from "vitest";

const built = path.resolve(import.meta.dirname, "../../dist/console");
const files = globSync("**/*.gz", { cwd: built });

const MAX_BYTES = 100_000;

it("all of the console is under 100 KB, compressed", () => {
  const bytes = files.reduce((sum, file) => sum + readFileSync(path.join(built, file)).length, 0);
  expect(files.length).toBeGreaterThan(30);
  expect(bytes).toBeLessThan(MAX_BYTES);
});

it("what is built names files that are there, and no package", () => {
  const texts = files.map(
    (file) => [file, gunzipSync(readFileSync(path.join(built, file))).toString()] as const,
  );
  const imports = texts.flatMap(([file, text]) =>
    [...text.matchAll(/(?:^|[;}\n])\s*(?:import|export)\b[^;"]*?\bfrom\s*"([^"]+)"/g)].map((match) =>
      path.join(path.dirname(file), match[1] ?? ""),
    ),
  );
  expect(imports.length).toBeGreaterThan(50);
  expect(imports.filter((file) => !files.includes(`${file}.gz`))).toEqual([]);
});
