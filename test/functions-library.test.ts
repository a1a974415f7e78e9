import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { describe, expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "..");
const fromApp = createRequire(path.join(root, "dist/functions/index.js"));
const published = createRequire(import.meta.url);

/** tsconfig.azure-functions.json says what is built and why: `npm run build` leaves it where the built app finds it. */
describe("@azure/functions as the built app has it", () => {
  it("is the library's source, compiled for the Node that runs it", () => {
    const found = fromApp.resolve("@azure/functions");
    expect(path.relative(root, found)).toBe(
      path.join("dist", "node_modules", "@azure", "functions", "index.js"),
    );
    const code = readFileSync(found, "utf8");
    expect(code).toContain("async getResponse");
    expect(code).not.toContain("__awaiter");
    expect(code).not.toContain("new WeakMap");
  });

  it("is of the published version, and has all that the published build has", () => {
    const { version } = published("@azure/functions/package.json");
    expect(readFileSync(fromApp.resolve("@azure/functions"), "utf8")).toContain(`"${version}"`);
    const [built, original] = [fromApp("@azure/functions"), published("@azure/functions")];
    expect(Object.keys(built).sort()).toEqual(Object.keys(original).sort());
    for (const part of ["app", "input", "output", "trigger"])
      expect(Object.keys(built[part]).sort()).toEqual(Object.keys(original[part]).sort());
  });
});
