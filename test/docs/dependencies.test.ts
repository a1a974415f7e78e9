import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { licences, withLicences } from "../../tools/docs/licences.ts";

const root = path.resolve(import.meta.dirname, "../..");
const read = (file: string) => readFileSync(path.join(root, file), "utf8");

/** Licences under which a service may be run and handed on closed. */
const ALLOWED = ["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"];

it("docs/dependencies.md lists every deployed package with its licence, as the lock file has them", () => {
  const page = read("docs/dependencies.md");
  expect(page).toBe(withLicences(page));
});

it("every deployed package has a licence that we may use", () => {
  expect([...licences().keys()].filter((licence) => !ALLOWED.includes(licence))).toEqual([]);
});

it("docs/dependencies.md says of every dependency of our own why it is here", () => {
  const page = read("docs/dependencies.md");
  const { dependencies, devDependencies } = JSON.parse(read("package.json"));
  const names = Object.keys({ ...dependencies, ...devDependencies });
  expect(names.filter((name) => !page.includes(`| \`${name}\` |`))).toEqual([]);
});
