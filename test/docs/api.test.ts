import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { apiDocument } from "../../shared/http/api/api-document.ts";

it("docs/api.md is what the schemas say: npm run docs writes it", () => {
  const written = readFileSync(path.resolve(import.meta.dirname, "../../docs/api.md"), "utf8");
  expect(written).toBe(apiDocument());
});
