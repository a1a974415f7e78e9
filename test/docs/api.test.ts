import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { apiPage } from "../../tools/docs/api-page.ts";

it("docs/api.md is what the routes declare: npm run docs writes it", () => {
  const written = readFileSync(path.resolve(import.meta.dirname, "../../docs/api.md"), "utf8");
  expect(written).toBe(apiPage());
});
