import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");
const page = readFileSync(path.join(root, "docs/reliability.md"), "utf8");
const NAMED = /`(test\/[^`]+\.test\.ts)`: «([^»]+)»/g;

it.each(["docs/reliability.md", "SECURITY.md"])("%s names tests that there are", (file) => {
  const text = readFileSync(path.join(root, file), "utf8");
  const named = [...text.matchAll(NAMED)].map(([, file = "", name = ""]) => ({ file, name }));
  expect(named.length).toBeGreaterThan(20);
  const absent = named.filter(({ file, name }) => {
    const full = path.join(root, file);
    return !existsSync(full) || !readFileSync(full, "utf8").includes(`"${name}"`);
  });
  expect(absent).toEqual([]);
});

describe("docs/reliability.md", () => {
  it("names a test in every line of its table of promises, in the one form", () => {
    const promises = page.slice(0, page.indexOf("\n## "));
    const rows = promises
      .split("\n")
      .filter((line) => line.startsWith("| ") && !line.startsWith("| promise"));
    expect(rows.length).toBeGreaterThan(20);
    expect(rows.filter((row) => [...row.matchAll(NAMED)].length === 0)).toEqual([]);
  });
});
